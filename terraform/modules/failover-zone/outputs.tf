output "zone_id" {
  description = "The zone's id, for `service.dns.zone`."
  value       = aws_route53_zone.this.zone_id
}

output "zone_arn" {
  description = "The zone's ARN, for the controller's permissions."
  value       = aws_route53_zone.this.arn
}

output "name_servers" {
  description = "What the parent zone's NS record for zone_name must hold."
  value       = aws_route53_zone.this.name_servers
}

output "delegation" {
  description = "The NS record for the parent zone, as lines of a zone file."
  value       = join("\n", [for server in aws_route53_zone.this.name_servers : "${var.zone_name}. 3600 IN NS ${trimsuffix(server, ".")}."])
}

output "services" {
  description = "For each service what quorate.toml and the permissions need: ttl in seconds, the health check on the primary's record (or null), and every name and type that its batches contain, the ownership record's apart."
  value = { for key, service in var.services : key => {
    ttl                  = local.ttl[key]
    primary_health_check = service.lane == "records" ? null : aws_route53_health_check.flags_down[key].id
    names                = distinct(concat([service.name], service.also[*].name))
    types                = sort(distinct(concat([service.type], service.also[*].type)))
    mark                 = "_quorate.${service.name}"
  } }
}

output "health_check_arns" {
  description = "ARNs of all health checks, for permissions to read them."
  value       = concat([for check in aws_route53_health_check.flag : check.arn], [for check in aws_route53_health_check.flags_down : check.arn])
}
