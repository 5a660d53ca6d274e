# What the module does not take.

mock_provider "aws" {
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/quorate-controller" }
  }
}

variables {
  zone_arns = ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]
  names     = ["login.failover.example.com"]
  marks     = ["_quorate.login.failover.example.com"]
  trust_ec2 = true
}

run "every_zone" {
  command = plan
  variables {
    zone_arns = ["arn:aws:route53:::hostedzone/*"]
  }
  expect_failures = [var.zone_arns]
}

run "a_name_with_a_final_dot" {
  command = plan
  variables {
    names = ["login.failover.example.com."]
  }
  expect_failures = [var.names]
}

run "a_wildcard" {
  command = plan
  variables {
    names = ["*.failover.example.com"]
  }
  expect_failures = [var.names]
}

run "a_mark_that_is_none" {
  command = plan
  variables {
    marks = ["login.failover.example.com"]
  }
  expect_failures = [var.marks]
}

run "delegations" {
  command = plan
  variables {
    types = ["A", "NS"]
  }
  expect_failures = [var.types]
}

run "every_flag" {
  command = plan
  variables {
    flag_object_arns = ["arn:aws:s3:::flags-a/quorate/*"]
    flag_bucket_arns = ["arn:aws:s3:::flags-a"]
  }
  expect_failures = [var.flag_object_arns]
}

run "flags_without_their_bucket" {
  command = plan
  variables {
    flag_object_arns = ["arn:aws:s3:::flags-a/quorate/login.flag"]
  }
  expect_failures = [var.flag_bucket_arns]
}

run "nobody" {
  command = plan
  variables {
    trust_ec2 = false
  }
  expect_failures = [var.trust_principals]
}

run "a_whole_account" {
  command = plan
  variables {
    trust_principals = ["arn:aws:iam::123456789012:root"]
  }
  expect_failures = [var.trust_principals]
}

run "any_subject" {
  command = plan
  variables {
    trust_oidc = [{ provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com", issuer = "example.com", subjects = ["repo:*"] }]
  }
  expect_failures = [var.trust_oidc]
}

run "a_name_that_iam_does_not_take" {
  command = plan
  variables {
    name        = "quorate controller"
    external_id = "x"
  }
  expect_failures = [var.name, var.external_id]
}

# IAM takes 6144 characters.
run "too_many_names" {
  command = plan
  variables {
    names = [for number in range(200) : "a-rather-long-name-${number}.failover.example.com"]
  }
  expect_failures = [aws_iam_policy.this]
}
