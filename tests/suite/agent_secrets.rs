//! Each process asks for the secrets that it uses, and for no others.

use std::fs;

use quorate::config::Loader;
use quorate::domain::VantageName;

use super::world::{CONTROLLER, Options, SECRETS, VANTAGES, World};

/// What an agent of that world uses.
const AGENTS: [&str; 3] = ["probe-user", "probe-password", "api-token"];

/// Leaves only these secrets in the file.
fn keep(world: &World, names: &[&str]) {
    let all = world.secrets();
    let kept = all.iter().filter(|(name, _)| names.contains(name));
    let lines: Vec<String> = kept.map(|(name, value)| format!("{name} = \"{value}\"\n")).collect();
    assert_eq!(lines.len(), names.len());
    fs::write(world.dir.path().join("secrets.toml"), lines.concat()).unwrap();
}

/// A service with every kind of key there is, whose API asks for a token.
fn all_keys() -> Options {
    Options { token: true, lane: "both", ..Options::default() }
}

#[tokio::test]
async fn an_agent_runs_with_its_own_secrets_and_a_controller_is_refused_with_the_names_of_all_others() {
    let mut world = World::prepared(all_keys()).await;
    world.start_controller().await;
    keep(&world, &AGENTS);
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    for vantage in VANTAGES {
        assert!(!world.log(vantage).contains("secret"), "nothing is missed: {}", world.log(vantage));
    }

    world.kill(CONTROLLER).await;
    let others: Vec<&str> = SECRETS.iter().map(|(name, _)| *name).filter(|name| !AGENTS.contains(name)).collect();
    for command in ["controller", "validate"] {
        let ran = world.run(&[command], &[]).await;
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(64), "{command}: {said}");
        for (name, _) in SECRETS {
            let told = said.contains(&format!("the secret '{name}' is not there"));
            assert_eq!(told, others.contains(&name), "{command}: {name}: {said}");
        }
    }
}

#[tokio::test]
async fn an_agent_without_one_of_its_own_is_refused_with_that_name_alone() {
    let world = World::prepared(all_keys()).await;
    for missing in AGENTS {
        let rest: Vec<&str> = AGENTS.into_iter().filter(|name| *name != missing).collect();
        keep(&world, &rest);
        let ran = world.run(&["agent", "--vantage", "aws-1"], &[]).await;
        assert_eq!(ran.code, Some(64), "{missing}: {ran:?}");
        assert_eq!(ran.err.matches("is not there").count(), 1, "{missing}: {ran:?}");
        assert!(ran.err.contains(&format!("the secret '{missing}' is not there")), "{missing}: {ran:?}");
    }
}

#[tokio::test]
async fn an_agent_of_other_services_needs_nothing_of_this_ones_checks() {
    let world = World::prepared(all_keys()).await;
    let path = world.dir.path().join("quorate.toml");
    let text = fs::read_to_string(&path).unwrap();
    let elsewhere = "\n[[vantage]]\nname = \"elsewhere\"\ncloud = \"oci\"\nregion = \"eu-frankfurt-1\"\n";
    let (head, service) = text.split_once("[[service]]\n").unwrap();
    let only = "vantages = [\"aws-1\", \"azure-1\", \"gcp-1\"]\n";
    fs::write(&path, format!("{head}{elsewhere}\n[[service]]\n{only}{service}")).unwrap();
    let elsewhere = VantageName::new("elsewhere").unwrap();
    let load = |names: &[&str]| {
        keep(&world, names);
        Loader::new(&path).environment(|_| None).load_for_agent(&elsewhere)
    };
    let config = load(&["api-token"]).unwrap_or_else(|problems| panic!("{problems:#?}")).config;
    assert!(config.checks.is_empty(), "it runs none");
    assert_eq!(config.services.len(), 1, "what there is, it may know");
    let problems = load(&[]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("'api-token' is not there")), "{problems:#?}");
}

#[tokio::test]
async fn who_only_looks_needs_no_secret_at_all() {
    let mut world = World::prepared(all_keys()).await;
    world.start_controller().await;
    world.kill(CONTROLLER).await;
    fs::remove_file(world.dir.path().join("secrets.toml")).unwrap();
    let arguments =
        ["replay", "--config", "quorate.toml", "--policy", "policies/brisk.toml", "--since", "1h", "--json"];
    let ran = world.run(&arguments, &[]).await;
    // It got as far as the store, in which no agent has left anything.
    assert!(ran.code == Some(2) && ran.err.contains("no observations of 'login'"), "{ran:?}");
}
