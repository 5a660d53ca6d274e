# What the controller may do, and nothing else.
#
# A statement's condition speaks of sets: of all names, all types and all actions of a batch. `ForAllValues` is also true of an
# empty set, and of a key that is not there; so `Null` asks for each key to be there. And because sets are compared one by one, the
# policy cannot say "TXT only at the mark": a TXT at a name that moves would pass. The zone being dedicated, nothing else lives there.

locals {
  change      = "route53:ChangeResourceRecordSets"
  key_names   = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
  key_types   = "route53:ChangeResourceRecordSetsRecordTypes"
  key_actions = "route53:ChangeResourceRecordSetsActions"
  all_names   = sort(distinct(concat(var.names, var.marks)))
  all_types   = sort(distinct(concat(var.types, ["TXT"])))

  statements = concat(
    [
      {
        Sid      = "SwapOurRecords"
        Effect   = "Allow"
        Action   = local.change
        Resource = var.zone_arns
        Condition = {
          "ForAllValues:StringEquals" = {
            (local.key_names)   = local.all_names
            (local.key_types)   = local.all_types
            (local.key_actions) = ["CREATE", "DELETE"]
          }
          Null = {
            (local.key_names)   = "false"
            (local.key_types)   = "false"
            (local.key_actions) = "false"
          }
        }
      },
      # Whatever else is attached to the role, by whomever: these never.
      {
        Sid       = "NeverOverwrite"
        Effect    = "Deny"
        Action    = local.change
        Resource  = "*"
        Condition = { "ForAnyValue:StringNotEquals" = { (local.key_actions) = ["CREATE", "DELETE"] } }
      },
      {
        Sid       = "NeverOtherTypes"
        Effect    = "Deny"
        Action    = local.change
        Resource  = "*"
        Condition = { "ForAnyValue:StringNotEquals" = { (local.key_types) = local.all_types } }
      },
      {
        Sid      = "ReadTheZones"
        Effect   = "Allow"
        Action   = ["route53:GetHostedZone", "route53:ListResourceRecordSets"]
        Resource = var.zone_arns
      },
      {
        # A change's id is known only after it was made.
        Sid      = "FollowChanges"
        Effect   = "Allow"
        Action   = "route53:GetChange"
        Resource = "arn:aws:route53:::change/*"
      },
    ],
    # A list of objects that differ cannot stand in "condition ? [] : list".
    [for statement in [
      {
        Sid    = "FreezeAtTheServer"
        Effect = "Allow"
        Action = [
          "route53:CreateResourceRecordSetProtections",
          "route53:DeleteResourceRecordSetProtections",
          "route53:ListResourceRecordSetProtections",
        ]
        Resource = var.zone_arns
      },
    ] : statement if var.record_protections],
    [for statement in [
      {
        Sid      = "ReadFlags"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = var.flag_object_arns
      },
      {
        # If-Match: the flag is still the one that was read.
        Sid       = "SwapFlags"
        Effect    = "Allow"
        Action    = "s3:PutObject"
        Resource  = var.flag_object_arns
        Condition = { Null = { "s3:if-match" = "false" } }
      },
      {
        # If-None-Match: there is no flag yet.
        Sid       = "MakeFirstFlags"
        Effect    = "Allow"
        Action    = "s3:PutObject"
        Resource  = var.flag_object_arns
        Condition = { Null = { "s3:if-none-match" = "false" } }
      },
      {
        # Without it S3 answers "forbidden" for a flag that is not there, and "could not tell" is not "absent".
        Sid      = "SeeThatFlagsAreAbsent"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.flag_bucket_arns
      },
    ] : statement if length(var.flag_object_arns) > 0],
  )

  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })

  trust = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in [{
        Sid       = "Instances"
        Effect    = "Allow"
        Principal = { Service = "ec2.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }] : statement if var.trust_ec2],
      [for index, oidc in var.trust_oidc : {
        Sid       = "Oidc${index}"
        Effect    = "Allow"
        Principal = { Federated = oidc.provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = { StringEquals = { "${oidc.issuer}:aud" = oidc.audience, "${oidc.issuer}:sub" = oidc.subjects } }
      }],
      [for statement in [merge(
        {
          Sid       = "Principals"
          Effect    = "Allow"
          Principal = { AWS = var.trust_principals }
          Action    = "sts:AssumeRole"
        },
        var.external_id == null ? {} : { Condition = { StringEquals = { "sts:ExternalId" = var.external_id } } },
      )] : statement if length(var.trust_principals) > 0],
    )
  })
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "Quorate's controller"
  assume_role_policy   = local.trust
  permissions_boundary = var.permissions_boundary
  # The chain of credentials renews it by itself.
  max_session_duration = 3600
  tags                 = var.tags
}

resource "aws_iam_policy" "this" {
  name        = var.name
  description = "Quorate's controller: swap its records and its flags, never overwrite"
  policy      = local.policy
  tags        = var.tags

  lifecycle {
    precondition {
      # IAM counts without white space, and jsonencode writes none.
      condition     = length(local.policy) <= 6144
      error_message = "The policy has ${length(local.policy)} characters, and IAM takes 6144: give the controller fewer names, or use two clusters."
    }
  }
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_iam_instance_profile" "this" {
  count = var.trust_ec2 ? 1 : 0

  name = var.name
  role = aws_iam_role.this.name
  tags = var.tags
}
