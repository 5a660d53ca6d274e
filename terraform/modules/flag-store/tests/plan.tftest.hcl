# What the module plans, with a provider that makes nothing.

mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { region = "eu-central-1" }
  }
}

variables {
  bucket   = "quorate-flags-a"
  region   = "eu-central-1"
  services = ["login", "api"]
}

run "flags_are_public_and_nothing_else_is" {
  command = apply

  assert {
    condition     = toset(jsondecode(output.policy_json).Statement[0].Resource) == toset(["arn:aws:s3:::quorate-flags-a/quorate/login.flag", "arn:aws:s3:::quorate-flags-a/quorate/api.flag"])
    error_message = "Exactly the flags can be read."
  }

  assert {
    condition     = jsondecode(output.policy_json).Statement[0].Action == "s3:GetObject" && !can(jsondecode(output.policy_json).Statement[0].Condition)
    error_message = "Everybody may read them, and not list or write."
  }

  assert {
    condition     = length([for statement in jsondecode(output.policy_json).Statement : statement if statement.Effect == "Allow"]) == 1
    error_message = "Nothing else is allowed."
  }

  assert {
    condition = (
      aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.ignore_public_acls
      && !aws_s3_bucket_public_access_block.this.block_public_policy && !aws_s3_bucket_public_access_block.this.restrict_public_buckets
    )
    error_message = "Only what the public policy needs is unblocked."
  }

  assert {
    condition = (
      one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
      && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
      && one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
      && one(aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration).noncurrent_days == 400
    )
    error_message = "Versions are kept and encrypted, and there are no ACLs."
  }
}

run "what_the_others_need" {
  command = apply

  assert {
    condition     = output.store == "s3://quorate-flags-a/quorate?region=eu-central-1" && output.urls["login"] == "https://quorate-flags-a.s3.eu-central-1.amazonaws.com/quorate/login.flag"
    error_message = "The store is for quorate.toml, the URL for the health check."
  }

  assert {
    condition     = output.object_arns["api"] == "arn:aws:s3:::quorate-flags-a/quorate/api.flag"
    error_message = "The ARN is for the permissions."
  }
}

run "only_some_may_read" {
  command = apply

  variables {
    reader_cidrs = ["15.177.0.0/18"]
  }

  assert {
    condition     = jsondecode(output.policy_json).Statement[0].Condition.IpAddress["aws:SourceIp"] == ["15.177.0.0/18"]
    error_message = "The ranges are in the policy."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "Nothing is public then, and all of the block holds."
  }
}
