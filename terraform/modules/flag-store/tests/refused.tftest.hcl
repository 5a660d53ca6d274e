# What the module does not take.

mock_provider "aws" {}

variables {
  bucket   = "quorate-flags-a"
  region   = "eu-central-1"
  services = ["login"]
}

run "a_bucket_with_a_dot" {
  command = plan
  variables {
    bucket = "flags.example.com"
  }
  expect_failures = [var.bucket]
}

run "a_region_that_is_none" {
  command = plan
  variables {
    region = "Frankfurt"
  }
  expect_failures = [var.region]
}

run "no_service" {
  command = plan
  variables {
    services = []
  }
  expect_failures = [var.services]
}

run "a_prefix_with_a_slash" {
  command = plan
  variables {
    prefix = "/quorate/"
  }
  expect_failures = [var.prefix]
}

run "a_range_that_is_none" {
  command = plan
  variables {
    reader_cidrs = ["192.0.2.0"]
  }
  expect_failures = [var.reader_cidrs]
}

run "no_history" {
  command = plan
  variables {
    history_days = 0
  }
  expect_failures = [var.history_days]
}

# The mock's region is a word of its own.
run "the_provider_of_another_region" {
  command         = apply
  expect_failures = [aws_s3_bucket.this]
}
