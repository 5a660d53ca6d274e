//! The suites and their helpers.

/// Records taken over, records that differ, and records put back.
mod adoption;
/// Each process asks for the secrets that it uses, and for no others.
mod agent_secrets;
/// Agents and the controller that they tell.
mod agents;
/// The API and the commands that read it, with the real binary.
mod api;
/// Bursts, from a controller's wish or an agent's own failures to the probes.
mod bursts;
/// Canaries, and what agents make of them.
mod canaries;
/// `quorate check run` as a person or a CI job calls it.
mod check_cli;
/// Recordings and traces of checks, through the program.
mod check_recordings;
/// `quorate check new`, `lint` and `schema`, and `run --watch`, as a person at a keyboard uses them.
mod check_tools;
/// Checks against real and against misbehaving servers.
mod checks;
/// An authorization code for tokens.
mod code_flow;
/// Every rule of the configuration by a file that breaks it, and what must never be printed.
mod config;
/// Support: database servers.
mod databases;
/// The whole demo.
mod demo;
/// Support: Django's admin, a login that nobody here wrote.
mod django;
/// Support: Django on a pair of PostgreSQL servers.
mod django_pair;
/// The battery of the DNS provider, over the lab and over emulators that nobody here wrote.
mod dns;
/// What only the lab can show, and the resolver.
mod dns_lab;
/// Support: a zone with a service's records, over either.
mod dns_world;
/// Signed zones: validated, refused, left open.
mod dnssec;
/// How users follow a move, with the real processes.
mod drain;
/// The battery of dynamic updates, over BIND and Knot.
mod drill_faults;
mod drills;
mod dynamic;
/// Keys, clocks, and answers that are not to be believed.
mod dynamic_trust;
/// Support: a zone at either, and a relay before it.
mod dynamic_world;
/// Support: emulators of AWS from PyPI.
mod emulators;
/// The pure engine: text tables, a crash at every point, and seeded chance.
mod engine;
/// The examples in `checks/`, each against a server that nobody here wrote.
mod example_checks;
/// Support: the site that those examples are run against.
mod example_site;
/// Every example of the page about checks, run.
mod examples;
/// Failovers with the real processes.
mod failover;
/// Support: places for flags.
mod flag_shops;
/// The battery of the flag's stores, and the procedures around it.
mod flags;
/// `GET /metrics`, read by Prometheus's own parsers.
mod graphs;
/// Hostile scripts against a hostile site, by seeded chance.
mod hostile;
/// The check language on the wire, case by case.
mod http_cases;
/// The journal's texts, pinned.
mod journal;
/// The lab, seen by the official client, by DNS and by a browser.
mod lab;
/// `quorate lab`, as it is typed.
mod lab_cli;
/// Moves by a flag, and by both.
mod lanes;
/// The computing half of the check language.
mod language;
/// Its forms.
mod language_forms;
/// Its logins and tokens.
mod language_logins;
mod mutants;
/// Support: BIND and Knot.
mod name_servers;
/// DNS, TCP, certificates, WebSockets, gRPC and mail from checks.
mod net;
/// Support: Node packages for servers.
mod node;
/// Slack and SMS against receivers that record what came.
mod notify;
/// Support: an OpenID provider.
mod oidc;
/// Failovers between two sites with real databases.
mod pairs;
/// The service as it was, and as another policy had it.
mod past;
/// The shipped policies, and the page about them.
mod policies;
/// Support: an agent in this process, and who listens to it.
mod probing;
/// A freeze that the provider itself keeps.
mod protection;
/// Support: Python packages for emulators.
mod python;
/// There and back, with kills and a witness.
mod rounds;
/// Support: small servers that misbehave on purpose.
mod servers;
/// What a policy buys: the detector in virtual time, beside other detectors.
mod simulate;
/// The examples of read-only mode in three languages.
mod site_examples;
/// Controls of sites, against the servers that they control.
mod sites;
/// Support: servers that are processes of their own.
mod spawned;
/// The standby's signed contract.
mod standby;
/// What keeps a process from starting.
mod startup;
/// Everything that stops a move, and lets it go on, with the real processes.
mod stopping;
/// The store through reopening, and what it refuses.
mod store;
/// The store's file changed, cut and lost, byte by byte.
mod store_damage;
/// Observations: read back, thinned, forgotten, and how large the file gets.
mod store_log;
/// A store that an older version wrote.
mod store_upgrade;
/// A controller's start: its epoch, and the fence in every zone.
mod takeover;
/// The modules below `terraform/`, applied to an emulator, and their permissions asked of a simulator.
mod terraform;
/// Support: a site with a second factor.
mod totp_site;
/// Two providers for one name: the lab's Route 53 and BIND.
mod twin;
/// One name at two providers, with the real processes.
mod two_providers;
/// Standbys that cannot be made read-only, with the real processes.
mod unwilling;
/// Support: a TCP relay that loses, repeats and replaces what passes through it.
mod wire;
/// Support: a world of real processes for each test.
mod world;
/// What is unwise in a zone.
mod zone_lint;
