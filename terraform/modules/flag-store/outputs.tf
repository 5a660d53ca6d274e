output "store" {
  description = "The store for `service.flag.stores`."
  value       = "s3://${var.bucket}/${var.prefix}?region=${var.region}"
}

output "urls" {
  description = "For each service the public HTTPS URL of its flag, for a health check."
  value       = { for name, key in local.keys : name => "https://${var.bucket}.s3.${var.region}.amazonaws.com/${key}" }
}

output "bucket_arn" {
  description = "ARN of the bucket, for the controller's permissions."
  value       = aws_s3_bucket.this.arn
}

output "object_arns" {
  description = "For each service the ARN of its flag, for the controller's permissions."
  value       = { for name, key in local.keys : name => "${local.arn}/${key}" }
}

output "policy_json" {
  description = "The bucket's policy."
  value       = local.policy
}
