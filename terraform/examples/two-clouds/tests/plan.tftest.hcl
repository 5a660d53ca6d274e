# The example in its lanes, with a provider that makes nothing.

mock_provider "aws" {
  mock_resource "aws_route53_zone" {
    defaults = { zone_id = "Z0123456789ABCDEFGHIJ", arn = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ", primary_name_server = "ns-1.awsdns-01.org", name_servers = ["ns-1.awsdns-01.org"] }
  }
  mock_resource "aws_route53_health_check" {
    defaults = { id = "0123-abc", arn = "arn:aws:route53:::healthcheck/0123-abc" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/quorate" }
  }
}

mock_provider "aws" {
  alias = "frankfurt"
  mock_resource "aws_s3_bucket" {
    defaults = { region = "eu-central-1", arn = "arn:aws:s3:::quorate-flags-example-eu-central-1" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

mock_provider "aws" {
  alias = "sydney"
  mock_resource "aws_s3_bucket" {
    defaults = { region = "ap-southeast-2", arn = "arn:aws:s3:::quorate-flags-example-ap-southeast-2" }
  }
  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

variables {
  phrase = "0123456789abcdef0123456789abcdef"
}

run "both_lanes" {
  command = apply

  variables {
    more_flags   = { azure = { store = "az://flags/quorate", url = "https://flags.blob.core.windows.net/flags/quorate/login.flag" } }
    agent_binary = { url = "https://example.com/quorate", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  }

  assert {
    condition     = strcontains(output.quorate_toml, "stores = [\"s3://quorate-flags-example-eu-central-1/quorate?region=eu-central-1\",\"s3://quorate-flags-example-ap-southeast-2/quorate?region=ap-southeast-2\",\"az://flags/quorate\"]")
    error_message = "All three stores are in quorate.toml."
  }

  assert {
    condition     = strcontains(output.quorate_toml, "zone = \"Z0123456789ABCDEFGHIJ\"") && strcontains(output.quorate_toml, "ttl = \"60s\"") && strcontains(output.quorate_toml, "health_check = \"0123-abc\"")
    error_message = "Zone, time to live and health check are those that were made."
  }

  assert {
    condition     = !strcontains(output.quorate_toml, nonsensitive(var.phrase))
    error_message = "The phrase is a secret, and stands in quorate.toml by name."
  }

  assert {
    condition     = keys(output.agent_addresses) == ["aws-ap-southeast-2", "aws-eu-central-1"]
    error_message = "Two agents."
  }
}

run "records_only" {
  command = apply

  variables {
    lane   = "records"
    phrase = null
  }

  assert {
    condition     = !strcontains(output.quorate_toml, "[service.flag]") && !strcontains(output.quorate_toml, "health_check") && strcontains(output.quorate_toml, "ttl = \"30s\"")
    error_message = "Without flags there are no stores and no health checks."
  }

  assert {
    condition     = length(output.agent_addresses) == 0 && !strcontains(output.controller_policy, "s3:")
    error_message = "Nothing in S3, and no agents unless asked for."
  }
}

run "a_flag_without_a_phrase" {
  command = plan

  variables {
    phrase = null
  }

  expect_failures = [var.phrase]
}

run "a_store_that_is_made_here" {
  command = plan

  variables {
    more_flags = { other = { store = "s3://elsewhere/quorate", url = "https://elsewhere.example.com/login.flag" } }
  }

  expect_failures = [var.more_flags]
}
