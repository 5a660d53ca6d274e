# What the module plans, with a provider that makes nothing.

mock_provider "aws" {
  mock_resource "aws_route53_zone" {
    defaults = {
      zone_id             = "Z0123456789ABCDEFGHIJ"
      primary_name_server = "ns-1.awsdns-01.org"
      name_servers        = ["ns-1.awsdns-01.org", "ns-2.awsdns-02.com"]
    }
  }
}

variables {
  zone_name = "failover.example.com"
  cluster   = "example"
  phrases   = { login = "0123456789abcdefghij" }
  services = {
    login = {
      name    = "login.failover.example.com"
      lane    = "both"
      primary = { site = "aws", answer = "192.0.2.10" }
      standby = { site = "azure", answer = "198.51.100.10" }
      also    = [{ name = "www.failover.example.com", type = "CNAME", primary = "a.example.net", standby = "b.example.net" }]
      flags = {
        frankfurt = "https://flags-a.s3.eu-central-1.amazonaws.com/quorate/login.flag"
        azure     = "https://flags.blob.core.windows.net:8443/quorate/login.flag"
      }
    }
    api = {
      name    = "failover.example.com"
      type    = "AAAA"
      own     = true
      primary = { site = "aws", answer = "api-1.eu-west-1.elb.amazonaws.com", alias_zone = "Z32O12XQLNTSW2" }
      standby = { site = "gcp", answer = "2001:db8::10" }
    }
  }
}

run "pairs" {
  command = apply

  assert {
    condition     = length(aws_route53_record.site) == 6
    error_message = "Three names are three pairs."
  }

  assert {
    condition = {
      for key, record in aws_route53_record.site : key => "${record.set_identifier} ${one(record.failover_routing_policy).type}"
      } == {
      "login.failover.example.com A primary"   = "aws PRIMARY"
      "login.failover.example.com A standby"   = "azure SECONDARY"
      "www.failover.example.com CNAME primary" = "aws PRIMARY"
      "www.failover.example.com CNAME standby" = "azure SECONDARY"
      "failover.example.com AAAA primary"      = "aws PRIMARY"
      "failover.example.com AAAA standby"      = "gcp SECONDARY"
    }
    error_message = "A pair has the sites' names as set identifiers, and the primary is PRIMARY."
  }

  assert {
    condition     = aws_route53_record.site["login.failover.example.com A primary"].ttl == 60 && aws_route53_record.site["failover.example.com AAAA standby"].ttl == 30
    error_message = "The flag lane has 60 s, the records lane 30 s."
  }

  assert {
    condition = (
      one(aws_route53_record.site["failover.example.com AAAA primary"].alias).evaluate_target_health == true
      && one(aws_route53_record.site["failover.example.com AAAA primary"].alias).zone_id == "Z32O12XQLNTSW2"
      && aws_route53_record.site["failover.example.com AAAA primary"].ttl == null
      && length(aws_route53_record.site["failover.example.com AAAA standby"].alias) == 0
    )
    error_message = "An alias evaluates its target's health, and has no time to live of its own."
  }
}

run "the_zone_forgets_missing_names_soon" {
  command = apply

  assert {
    condition     = aws_route53_record.soa.ttl == 60 && one(aws_route53_record.soa.records) == "ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"
    error_message = "The SOA record has 60 s twice, and Route 53's own names."
  }

  assert {
    condition     = output.delegation == "failover.example.com. 3600 IN NS ns-1.awsdns-01.org.\nfailover.example.com. 3600 IN NS ns-2.awsdns-02.com."
    error_message = "The delegation is what the parent zone needs."
  }
}

run "flags" {
  command = apply

  assert {
    condition = alltrue([for check in aws_route53_health_check.flag :
      check.type == "HTTPS_STR_MATCH" && check.invert_healthcheck == true && check.request_interval == 10
      && check.failure_threshold == 1 && check.enable_sni == true && nonsensitive(check.search_string) == "0123456789abcdefghij"
    ])
    error_message = "Each flag has an inverted string check for the phrase."
  }

  assert {
    condition = { for key, check in aws_route53_health_check.flag : key => "${check.fqdn} ${check.port} ${check.resource_path}" } == {
      "login frankfurt" = "flags-a.s3.eu-central-1.amazonaws.com 443 /quorate/login.flag"
      "login azure"     = "flags.blob.core.windows.net 8443 /quorate/login.flag"
    }
    error_message = "A URL is taken apart into host, port and path."
  }

  assert {
    condition = (
      keys(aws_route53_health_check.flags_down) == ["login"]
      && aws_route53_health_check.flags_down["login"].type == "CALCULATED"
      && aws_route53_health_check.flags_down["login"].child_health_threshold == 2
      && aws_route53_health_check.flags_down["login"].child_healthchecks == toset([for check in aws_route53_health_check.flag : check.id])
    )
    error_message = "All children must be healthy: one phrase anywhere fails over."
  }

  assert {
    condition = (
      alltrue([for name in ["login.failover.example.com A", "www.failover.example.com CNAME"] :
      aws_route53_record.site["${name} primary"].health_check_id == aws_route53_health_check.flags_down["login"].id])
      && alltrue([for key, record in aws_route53_record.site : record.health_check_id == null if endswith(key, " standby") || startswith(key, "failover.example.com")])
    )
    error_message = "The check is on the primary's records only: a check on the standby's could pull everyone back."
  }
}

run "ownership" {
  command = apply

  assert {
    condition = (
      keys(aws_route53_record.mark) == ["api"]
      && aws_route53_record.mark["api"].name == "_quorate.failover.example.com"
      && aws_route53_record.mark["api"].type == "TXT"
      && one(aws_route53_record.mark["api"].records) == "v1;c=example;e=0;s=0;t=primary;d=-"
    )
    error_message = "Only a service with own = true is born owned."
  }

  assert {
    condition     = output.services["login"].names == tolist(["login.failover.example.com", "www.failover.example.com"]) && output.services["login"].types == tolist(["A", "CNAME"]) && output.services["login"].mark == "_quorate.login.failover.example.com"
    error_message = "The output says what the permissions need."
  }
}
