# What the module plans, with a provider that makes nothing. What the policy allows and denies is simulated by tests/suite/terraform.

mock_provider "aws" {
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/quorate-controller" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/quorate-controller" }
  }
}

variables {
  zone_arns = ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]
  names     = ["login.failover.example.com", "www.failover.example.com"]
  marks     = ["_quorate.login.failover.example.com"]
  types     = ["A", "CNAME"]
  trust_ec2 = true
}

run "least_privilege" {
  command = apply

  assert {
    condition     = !can(regex("UPSERT|s3:|healthcheck|Protections", output.policy_json))
    error_message = "What is not asked for is not in the policy."
  }

  assert {
    condition     = [for statement in jsondecode(output.policy_json).Statement : statement.Resource if statement.Effect == "Allow" && statement.Action == "route53:ChangeResourceRecordSets"][0] == ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]
    error_message = "Changes are for our zone."
  }

  assert {
    condition     = jsondecode(output.policy_json).Statement[0].Condition["ForAllValues:StringEquals"]["route53:ChangeResourceRecordSetsRecordTypes"] == ["A", "CNAME", "TXT"]
    error_message = "The ownership record's type is always among the types."
  }

  assert {
    condition     = output.instance_profile == "quorate-controller" && jsondecode(output.trust_json).Statement[0].Principal.Service == "ec2.amazonaws.com"
    error_message = "Instances take the role by a profile."
  }
}

run "flags_and_protections" {
  command = apply

  variables {
    flag_object_arns   = ["arn:aws:s3:::flags-a/quorate/login.flag"]
    flag_bucket_arns   = ["arn:aws:s3:::flags-a"]
    record_protections = true
  }

  assert {
    condition = toset([for statement in jsondecode(output.policy_json).Statement : statement.Sid]) == toset([
      "SwapOurRecords", "NeverOverwrite", "NeverOtherTypes", "ReadTheZones", "FollowChanges",
      "FreezeAtTheServer", "ReadFlags", "SwapFlags", "MakeFirstFlags", "SeeThatFlagsAreAbsent",
    ])
    error_message = "Everything that is asked for is there."
  }

  assert {
    condition     = !can(regex("s3:Delete|s3:\\*|route53:\\*", output.policy_json))
    error_message = "Nothing is deleted, and no action is a wildcard."
  }
}

run "from_another_cloud" {
  command = apply

  variables {
    trust_ec2        = false
    trust_oidc       = [{ provider_arn = "arn:aws:iam::123456789012:oidc-provider/sts.windows.net/tenant/", issuer = "sts.windows.net/tenant/", audience = "api://quorate", subjects = ["controller"] }]
    trust_principals = ["arn:aws:iam::123456789012:user/quorate"]
    external_id      = "quorate-example"
  }

  assert {
    condition     = jsondecode(output.trust_json).Statement[0].Condition.StringEquals == { "sts.windows.net/tenant/:aud" = "api://quorate", "sts.windows.net/tenant/:sub" = ["controller"] }
    error_message = "A token counts by audience and exact subject."
  }

  assert {
    condition     = jsondecode(output.trust_json).Statement[1].Condition.StringEquals["sts:ExternalId"] == "quorate-example" && output.instance_profile == null
    error_message = "Principals present the external id, and there is no profile."
  }
}
