output "role_arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

output "instance_profile" {
  description = "Name of the instance profile; null without trust_ec2."
  value       = one(aws_iam_instance_profile.this[*].name)
}

output "policy_arn" {
  description = "ARN of the policy."
  value       = aws_iam_policy.this.arn
}

output "policy_json" {
  description = "The policy, as IAM gets it."
  value       = local.policy
}

output "trust_json" {
  description = "Who may take the role, as IAM gets it."
  value       = local.trust
}
