output "instance_id" {
  description = "Id of the instance."
  value       = aws_instance.this.id
}

output "public_ip" {
  description = "The address that its probes come from, for sites that filter; null without public_address. It changes with every new instance."
  value       = var.public_address ? aws_instance.this.public_ip : null
}

output "security_group_id" {
  description = "Id of the security group, which has no inbound rule."
  value       = aws_security_group.this.id
}

output "role_name" {
  description = "Name of the instance's role."
  value       = aws_iam_role.this.name
}

output "user_data" {
  description = "What the instance is made of: cloud-init's configuration, with the unit and its scripts."
  value       = local.user_data
}
