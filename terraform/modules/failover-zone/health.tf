# The flag lane. A flag object that holds the phrase means "fail over": the string check on it is healthy, and inverted that
# makes it unhealthy. Whatever else happens to a flag's host (no object, an error, no answer) is an unhealthy string check, and
# inverted a healthy one: stay. The calculated check asks that all of them are healthy, so one phrase anywhere is enough.

locals {
  flags = merge([for key, service in var.services : {
    for label, url in service.flags : "${key} ${label}" => {
      service = key
      label   = label
      host    = regex("^https://([^:/]+)", url)[0]
      port    = try(tonumber(regex("^https://[^:/]+:([0-9]+)", url)[0]), 443)
      path    = regex("^https://[^/]+(/.*)$", url)[0]
    }
  }]...)
}

resource "aws_route53_health_check" "flag" {
  for_each = local.flags

  type               = "HTTPS_STR_MATCH"
  fqdn               = each.value.host
  port               = each.value.port
  resource_path      = each.value.path
  search_string      = var.phrases[each.value.service]
  enable_sni         = true
  invert_healthcheck = true
  request_interval   = var.check_interval
  failure_threshold  = var.check_failures
  tags               = merge(var.tags, { Name = "quorate ${each.value.service} flag ${each.value.label}" })

  lifecycle {
    # Type and interval cannot be changed. The calculated check must never be short of a child meanwhile.
    create_before_destroy = true
  }
}

resource "aws_route53_health_check" "flags_down" {
  for_each = { for key, service in var.services : key => service if service.lane != "records" }

  type                   = "CALCULATED"
  child_healthchecks     = [for label in keys(each.value.flags) : aws_route53_health_check.flag["${each.key} ${label}"].id]
  child_health_threshold = length(each.value.flags)
  tags                   = merge(var.tags, { Name = "quorate ${each.key} flags down" })
}
