output "quorate_toml" {
  description = "A ready quorate.toml: terraform output -raw quorate_toml > quorate.toml."
  value       = local.quorate_toml
}

output "zone_id" {
  description = "The zone's id."
  value       = module.zone.zone_id
}

output "delegation" {
  description = "The NS record that the parent zone needs."
  value       = module.zone.delegation
}

output "controller_role" {
  description = "ARN of the controller's role."
  value       = module.controller.role_arn
}

output "controller_policy" {
  description = "The controller's permissions."
  value       = module.controller.policy_json
}

output "agent_addresses" {
  description = "Where the agents' probes come from, by vantage."
  value       = { for label, agent in { frankfurt = module.agent_frankfurt, sydney = module.agent_sydney } : local.agents[label].name => agent[0].public_ip if length(agent) > 0 }
}
