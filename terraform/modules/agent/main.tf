# One vantage on an instance of its own. It opens all its connections itself: its security group has no inbound rule at all.

data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

data "aws_ssm_parameter" "ami" {
  count = var.ami == null ? 1 : 0

  name = var.ami_parameter
}

locals {
  name    = "quorate-agent-${var.vantage}"
  account = data.aws_caller_identity.this.account_id
  region  = data.aws_region.this.name
  tags    = merge(var.tags, { Name = local.name })

  parameters = [for place in values(var.secrets) : trimprefix(place, "ssm:") if startswith(place, "ssm:")]
  vaulted    = [for place in values(var.secrets) : trimprefix(place, "secretsmanager:") if startswith(place, "secretsmanager:")]
  from_s3    = startswith(var.binary_url, "s3://")

  # What the instance's role may do: read its own secrets and its binary.
  statements = concat(
    [for statement in [{
      Sid      = "ReadParameters"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = [for name in local.parameters : "arn:aws:ssm:${local.region}:${local.account}:parameter${name}"]
    }] : statement if length(local.parameters) > 0],
    [for statement in [{
      Sid    = "ReadSecrets"
      Effect = "Allow"
      Action = "secretsmanager:GetSecretValue"
      # Secrets Manager puts a hyphen and six characters of its own after the name.
      Resource = [for name in local.vaulted : "arn:aws:secretsmanager:${local.region}:${local.account}:secret:${name}-??????"]
    }] : statement if length(local.vaulted) > 0],
    [for statement in [{
      Sid      = "Decrypt"
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = var.kms_key_arns
      Condition = {
        StringEquals = { "kms:ViaService" = ["ssm.${local.region}.amazonaws.com", "secretsmanager.${local.region}.amazonaws.com"] }
      }
    }] : statement if length(var.kms_key_arns) > 0],
    [for statement in [{
      Sid      = "FetchTheBinary"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "arn:aws:s3:::${trimprefix(var.binary_url, "s3://")}"
    }] : statement if local.from_s3],
  )

  # cloud-init's own format; what is written here can be read from the instance's metadata, so no secret is in it.
  user_data = join("\n", ["#cloud-config", yamlencode({
    write_files = concat(
      [
        { path = "/etc/quorate/quorate.toml", permissions = "0644", encoding = "b64", content = base64encode(var.config) },
        {
          path        = "/usr/local/lib/quorate/fetch-binary"
          permissions = "0755"
          content     = templatefile("${path.module}/files/fetch-binary.sh.tftpl", { url = var.binary_url, sha256 = var.binary_sha256 })
        },
        {
          path        = "/usr/local/lib/quorate/fetch-secrets"
          permissions = "0755"
          content     = templatefile("${path.module}/files/fetch-secrets.sh.tftpl", { secrets = var.secrets, region = local.region })
        },
        {
          path        = "/etc/systemd/system/quorate-agent-secrets.service"
          permissions = "0644"
          content     = templatefile("${path.module}/files/quorate-agent-secrets.service.tftpl", { vantage = var.vantage })
        },
        {
          path        = "/etc/systemd/system/quorate-agent.service"
          permissions = "0644"
          content     = templatefile("${path.module}/files/quorate-agent.service.tftpl", { vantage = var.vantage })
        },
      ],
      [for path, text in var.files : { path = "/etc/quorate/${path}", permissions = "0644", encoding = "b64", content = base64encode(text) }],
    )
    runcmd = [
      ["/usr/local/lib/quorate/fetch-binary"],
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "--now", "quorate-agent.service"],
    ]
  })])

  # cloud-init unpacks it.
  compressed = base64gzip(local.user_data)
}

resource "aws_iam_role" "this" {
  name                 = local.name
  description          = "Quorate's agent ${var.vantage}"
  permissions_boundary = var.permissions_boundary
  tags                 = local.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count = length(local.statements) > 0 ? 1 : 0

  name   = local.name
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  count = var.session_manager ? 1 : 0

  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = local.name
  role = aws_iam_role.this.name
  tags = local.tags
}

resource "aws_security_group" "this" {
  name        = local.name
  description = "Quorate agent: nothing comes in"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = { for rule in var.egress : "${rule.protocol} ${rule.port}" => rule }

  security_group_id = aws_security_group.this.id
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}

resource "aws_instance" "this" {
  ami                         = var.ami == null ? nonsensitive(one(data.aws_ssm_parameter.ami[*].value)) : var.ami
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_id
  associate_public_ip_address = var.public_address
  vpc_security_group_ids      = [aws_security_group.this.id]
  iam_instance_profile        = aws_iam_instance_profile.this.name
  user_data_base64            = local.compressed
  # A new configuration is a new instance: nothing is changed by hand on an agent.
  user_data_replace_on_change = true
  tags                        = local.tags

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    tags        = local.tags
  }

  lifecycle {
    # AWS publishes an image every few days; all agents replaced by one plan would be a blind controller. Renew them one
    # at a time: terraform apply -replace=…
    ignore_changes = [ami]

    precondition {
      # EC2 takes 16 KiB before Base64, which makes 21848 characters of them.
      condition     = length(local.compressed) <= 21848
      error_message = "config and files make ${length(local.compressed)} characters of compressed user data, and EC2 takes 21848: leave out what this agent's checks do not need."
    }
  }

  # Before the first start, or the secrets could not be read.
  depends_on = [aws_iam_role_policy.this]
}
