# What the module does not take.

mock_provider "aws" {}

variables {
  zone_name = "failover.example.com"
  cluster   = "example"
  services = {
    login = {
      name    = "login.failover.example.com"
      primary = { site = "aws", answer = "192.0.2.10" }
      standby = { site = "azure", answer = "198.51.100.10" }
    }
  }
}

run "a_zone_with_a_final_dot" {
  command = plan
  variables {
    zone_name = "failover.example.com."
  }
  expect_failures = [var.zone_name]
}

run "a_cluster_in_upper_case" {
  command = plan
  variables {
    cluster = "Example"
  }
  expect_failures = [var.cluster]
}

run "no_service" {
  command = plan
  variables {
    services = {}
  }
  expect_failures = [var.services]
}

run "a_name_outside_of_the_zone" {
  command = plan
  variables {
    services = { login = { name = "login.example.com", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "a_wildcard" {
  command = plan
  variables {
    services = { login = { name = "*.failover.example.com", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "a_name_moved_twice" {
  command = plan
  variables {
    services = {
      one = { name = "login.failover.example.com", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } }
      two = { name = "login.failover.example.com", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } }
    }
  }
  expect_failures = [var.services]
}

run "a_type_that_is_not_moved" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", type = "NS", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "a_cname_at_the_top" {
  command = plan
  variables {
    services = { login = { name = "failover.example.com", type = "CNAME", primary = { site = "aws", answer = "a.example.net" }, standby = { site = "azure", answer = "b.example.net" } } }
  }
  expect_failures = [var.services]
}

run "an_answer_of_another_type" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", type = "AAAA", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "2001:db8::10" } } }
  }
  expect_failures = [var.services]
}

run "an_address_that_is_none" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", primary = { site = "aws", answer = "192.0.2.300" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "an_alias_as_cname" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", type = "CNAME", primary = { site = "aws", answer = "a.example.net", alias_zone = "Z32O12XQLNTSW2" }, standby = { site = "azure", answer = "b.example.net" } } }
  }
  expect_failures = [var.services]
}

run "an_hour_to_live" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", ttl = 3600, primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "a_lane_that_is_none" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", lane = "fast", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "two_sites_of_one_name" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "aws", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "the_flag_lane_without_flags" {
  command = plan
  variables {
    phrases  = { login = "0123456789abcdefghij" }
    services = { login = { name = "login.failover.example.com", lane = "flag", primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "a_flag_without_tls" {
  command = plan
  variables {
    phrases  = { login = "0123456789abcdefghij" }
    services = { login = { name = "login.failover.example.com", lane = "flag", flags = { a = "http://flags.example.com/login.flag" }, primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.services]
}

run "the_flag_lane_without_a_phrase" {
  command = plan
  variables {
    services = { login = { name = "login.failover.example.com", lane = "flag", flags = { a = "https://flags.example.com/login.flag" }, primary = { site = "aws", answer = "192.0.2.10" }, standby = { site = "azure", answer = "198.51.100.10" } } }
  }
  expect_failures = [var.phrases]
}

run "a_phrase_that_is_guessed" {
  command = plan
  variables {
    phrases = { login = "failover" }
  }
  expect_failures = [var.phrases]
}

run "a_missing_name_remembered_for_a_day" {
  command = plan
  variables {
    soa_ttl      = 86400
    negative_ttl = 86400
  }
  expect_failures = [var.soa_ttl, var.negative_ttl]
}

run "an_interval_that_route_53_has_not" {
  command = plan
  variables {
    check_interval = 5
    check_failures = 0
  }
  expect_failures = [var.check_interval, var.check_failures]
}
