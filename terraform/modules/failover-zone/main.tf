# The dedicated zone, and the failover pair of every name.
#
# Who owns what: Terraform makes the records and owns their values, time to live and health check. The controller owns
# which of a pair is PRIMARY, and the ownership record `_quorate.NAME`. A record keeps its set identifier, by which Terraform
# finds it again, when it changes from PRIMARY to SECONDARY: so a move by the controller is no change to plan.

locals {
  # 30 s for records, so that a move reaches users within two minutes; 60 s is enough where the flag moves the answer.
  ttl = { for key, service in var.services : key => coalesce(service.ttl, service.lane == "records" ? 30 : 60) }

  # Every name with both its records, a flat list.
  names = flatten([for key, service in var.services : concat(
    [{
      service = key
      name    = service.name
      type    = service.type
      primary = { answer = service.primary.answer, alias_zone = service.primary.alias_zone }
      standby = { answer = service.standby.answer, alias_zone = service.standby.alias_zone }
    }],
    [for more in service.also : {
      service = key
      name    = more.name
      type    = more.type
      primary = { answer = more.primary, alias_zone = more.primary_alias_zone }
      standby = { answer = more.standby, alias_zone = more.standby_alias_zone }
    }],
  )])

  records = merge([for each in local.names : {
    for role in ["primary", "standby"] : "${each.name} ${each.type} ${role}" => {
      service        = each.service
      name           = each.name
      type           = each.type
      role           = role
      answer         = each[role].answer
      alias_zone     = each[role].alias_zone
      set_identifier = var.services[each.service][role].site
    }
  }]...)
}

resource "aws_route53_zone" "this" {
  name          = var.zone_name
  comment       = "names that Quorate moves"
  force_destroy = var.force_destroy
  tags          = var.tags
}

# Route 53 makes the zone with 900 s and 86400 s: a moment without an answer would be remembered for 15 minutes.
resource "aws_route53_record" "soa" {
  zone_id         = aws_route53_zone.this.zone_id
  name            = var.zone_name
  type            = "SOA"
  ttl             = var.soa_ttl
  allow_overwrite = true
  records         = ["${trimsuffix(aws_route53_zone.this.primary_name_server, ".")}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 ${var.negative_ttl}"]
}

resource "aws_route53_record" "site" {
  for_each = local.records

  zone_id        = aws_route53_zone.this.zone_id
  name           = each.value.name
  type           = each.value.type
  set_identifier = each.value.set_identifier
  ttl            = each.value.alias_zone == null ? local.ttl[each.value.service] : null
  records        = each.value.alias_zone == null ? [each.value.answer] : null
  # On the primary's record, whichever place it has: while the flag is up, the primary's record is unhealthy.
  health_check_id = each.value.role == "primary" && var.services[each.value.service].lane != "records" ? aws_route53_health_check.flags_down[each.value.service].id : null

  failover_routing_policy {
    type = each.value.role == "primary" ? "PRIMARY" : "SECONDARY"
  }

  dynamic "alias" {
    for_each = each.value.alias_zone == null ? [] : [each.value]

    content {
      name    = alias.value.answer
      zone_id = alias.value.alias_zone
      # Route 53 takes no failover alias without it.
      evaluate_target_health = true
    }
  }

  lifecycle {
    # The controller's: which of the two is PRIMARY.
    ignore_changes = [failover_routing_policy]
  }
}

# Only for services that are born owned. All others are taken over by `quorate adopt`, which looks first.
resource "aws_route53_record" "mark" {
  for_each = { for key, service in var.services : key => service if service.own }

  zone_id = aws_route53_zone.this.zone_id
  name    = "_quorate.${each.value.name}"
  type    = "TXT"
  ttl     = local.ttl[each.key]
  records = ["v1;c=${var.cluster};e=0;s=0;t=primary;d=-"]

  # It must not be there before what it marks.
  depends_on = [aws_route53_record.site]

  lifecycle {
    # The controller's from the first second: every write of it swaps this value.
    ignore_changes = [records, ttl]
  }
}
