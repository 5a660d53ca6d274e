# What the module plans, with a provider that makes nothing.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

variables {
  vantage       = "aws-eu-central-1"
  config        = "[[vantage]]\nname = \"aws-eu-central-1\"\n"
  files         = { "checks/login.rhai" = "step(\"x\");" }
  binary_url    = "s3://binaries/quorate"
  binary_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  secrets       = { probe-user = "ssm:/quorate/probe-user", probe-password = "secretsmanager:quorate/probe-password" }
}

run "nothing_comes_in" {
  command = apply

  assert {
    # Rules are resources of their own here, and there is none for ingress in the module.
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.this : rule.from_port == rule.to_port && rule.ip_protocol != "-1"]) && length(aws_vpc_security_group_egress_rule.this) == 4
    error_message = "Only four ports are open, and only outwards."
  }

  assert {
    condition     = one(aws_instance.this.metadata_options).http_tokens == "required" && one(aws_instance.this.metadata_options).http_put_response_hop_limit == 1
    error_message = "The metadata need a token, and stay on the instance."
  }

  assert {
    condition     = one(aws_instance.this.root_block_device).encrypted && aws_instance.this.instance_type == "t4g.nano" && aws_instance.this.ami == "ami-0123456789abcdef0"
    error_message = "A small instance with an encrypted disk."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.session_manager) == 0
    error_message = "Nobody logs in, unless asked for."
  }
}

run "its_role_reads_its_own_secrets" {
  command = apply

  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Sid => flatten([statement.Resource]) } == {
      ReadParameters = ["arn:aws:ssm:eu-central-1:123456789012:parameter/quorate/probe-user"]
      ReadSecrets    = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:quorate/probe-password-??????"]
      FetchTheBinary = ["arn:aws:s3:::binaries/quorate"]
    }
    error_message = "One parameter, one secret, one object."
  }
}

run "the_unit_is_hardened" {
  command = apply

  assert {
    condition = alltrue([for line in [
      "DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "IPAddressDeny=169.254.169.254 fd00:ec2::254",
      "ExecStart=/usr/local/bin/quorate agent --config /etc/quorate/quorate.toml --vantage aws-eu-central-1",
    ] : strcontains([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/etc/systemd/system/quorate-agent.service"][0], "${line}\n")])
    error_message = "The agent runs as nobody in particular, may change nothing, and cannot reach the role."
  }

  assert {
    condition = { for file in yamldecode(output.user_data).write_files : file.path => base64decode(file.content) if try(file.encoding, "") == "b64" } == {
      "/etc/quorate/quorate.toml"      = var.config
      "/etc/quorate/checks/login.rhai" = "step(\"x\");"
    }
    error_message = "Configuration and checks arrive as they were."
  }
}

run "an_https_binary_and_no_secrets_need_no_permissions" {
  command = apply

  variables {
    binary_url = "https://example.com/quorate"
    secrets    = {}
  }

  assert {
    condition     = length(aws_iam_role_policy.this) == 0
    error_message = "The role may do nothing."
  }
}

run "session_manager_when_asked_for" {
  command = apply
  # An instance of its own: the image of one that exists is left alone.
  state_key = "own_image"

  variables {
    session_manager = true
    ami             = "ami-00000000000000001"
    kms_key_arns    = ["arn:aws:kms:eu-central-1:123456789012:key/0123"]
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.session_manager) == 1 && aws_instance.this.ami == "ami-00000000000000001"
    error_message = "A shell without a port, and an image of one's own."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Condition.StringEquals["kms:ViaService"][0] if statement.Action == "kms:Decrypt"] == ["ssm.eu-central-1.amazonaws.com"]
    error_message = "A key is used through the two services only."
  }
}
