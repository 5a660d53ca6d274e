# A bucket for flag objects. Route 53's checkers send no credentials, so the flags, and only they, can be read by anybody (or by
# reader_cidrs). Nothing in them is secret while they are down; while one is up, it shows the phrase, which lets nobody write.

locals {
  keys = { for name in var.services : name => "${var.prefix}/${name}.flag" }
  arn  = "arn:aws:s3:::${var.bucket}"

  public_read = merge(
    {
      Sid       = "FlagsAreRead"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = [for key in values(local.keys) : "${local.arn}/${key}"]
    },
    length(var.reader_cidrs) == 0 ? {} : { Condition = { IpAddress = { "aws:SourceIp" = var.reader_cidrs } } },
  )

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.public_read,
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        # The compare-and-swap, enforced where the object is: without a precondition a write would go over the fence.
        Sid       = "NoFlagWithoutPrecondition"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arn}/*"
        Condition = { Null = { "s3:if-match" = "true", "s3:if-none-match" = "true" } }
      },
    ]
  })
}

resource "aws_s3_bucket" "this" {
  bucket        = var.bucket
  force_destroy = var.force_destroy
  tags          = var.tags

  lifecycle {
    postcondition {
      condition     = self.region == var.region
      error_message = "The bucket ${var.bucket} is in ${self.region}, and region says ${var.region}: give the module the provider of that region."
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # No ACLs at all.
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls  = true
  ignore_public_acls = true
  # The policy below is public: it is what Route 53 reads by. With reader_cidrs S3 does not count it as public, unless they are wide.
  block_public_policy     = length(var.reader_cidrs) > 0
  restrict_public_buckets = length(var.reader_cidrs) > 0
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = local.policy

  # S3 refuses a public policy until the block allows it.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      # S3's own keys: what a key of KMS encrypts cannot be read without credentials.
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    # Every flag that was ever up can be looked at after an incident.
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "history"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.history_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
