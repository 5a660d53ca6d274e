variable "zone_name" {
  description = "Name of the dedicated zone, such as failover.example.com; every name that moves is this name or below it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.zone_name))
    error_message = "zone_name must be a host name of two labels or more in lower case, without a final dot: failover.example.com."
  }
}

variable "cluster" {
  description = "The cluster of quorate.toml; part of the ownership record of services with own = true."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.cluster))
    error_message = "cluster must be a name as in quorate.toml: 1 to 63 lower-case letters, digits and inner hyphens."
  }
}

variable "services" {
  description = <<-EOT
    The services whose names are in this zone, by the service's name in quorate.toml. `primary` and `standby` are its
    sites: `site` is the site's name and the record's set identifier, `answer` an address or host name, `alias_zone`
    makes the record an alias to `answer` in that hosted zone. `also` are more names that move in the same batch.
    `flags` are the public HTTPS URLs of the service's flag object, by any label, for the lanes "flag" and "both".
  EOT
  type = map(object({
    name    = string
    type    = optional(string, "A")
    ttl     = optional(number)
    lane    = optional(string, "records")
    own     = optional(bool, false)
    primary = object({ site = string, answer = string, alias_zone = optional(string) })
    standby = object({ site = string, answer = string, alias_zone = optional(string) })
    also = optional(list(object({
      name               = string
      type               = optional(string, "A")
      primary            = string
      standby            = string
      primary_alias_zone = optional(string)
      standby_alias_zone = optional(string)
    })), [])
    flags = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition     = length(var.services) > 0 && alltrue([for key in keys(var.services) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", key))])
    error_message = "services needs at least one, each under a name of 1 to 63 lower-case letters, digits and inner hyphens."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : [
      for name in concat([service.name], service.also[*].name) :
      can(regex("^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", name)) && (name == var.zone_name || endswith(name, ".${var.zone_name}"))
    ]]))
    error_message = "Every name of a service must be zone_name or below it, in lower case, without a final dot and without a wildcard."
  }

  validation {
    condition = length(distinct(flatten([for service in var.services : [
      for each in concat([{ name = service.name, type = service.type }], [for more in service.also : { name = more.name, type = more.type }]) : "${each.name} ${each.type}"
    ]]))) == length(flatten([for service in var.services : concat([service.name], service.also[*].name)]))
    error_message = "No name and type may be moved twice, by two services or by one."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : [
      for type in concat([service.type], service.also[*].type) : contains(["A", "AAAA", "CNAME"], type)
    ]]))
    error_message = "type must be A, AAAA or CNAME."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : [
      for each in concat([{ name = service.name, type = service.type }], [for more in service.also : { name = more.name, type = more.type }]) :
      !(each.type == "CNAME" && each.name == var.zone_name)
    ]]))
    error_message = "The zone's own name cannot be a CNAME; use A or AAAA, or an alias."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : [
      for each in concat(
        [for site in [service.primary, service.standby] : { type = service.type, answer = site.answer, alias = site.alias_zone }],
        [for more in service.also : { type = more.type, answer = more.primary, alias = more.primary_alias_zone }],
        [for more in service.also : { type = more.type, answer = more.standby, alias = more.standby_alias_zone }],
      ) :
      each.alias != null || each.type == "CNAME" ? can(regex("^([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?\\.)+[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$", each.answer))
      : each.type == "A" ? can(cidrnetmask("${each.answer}/32"))
      : can(cidrhost("${each.answer}/128", 0)) && strcontains(each.answer, ":")
    ]]))
    error_message = "An answer must fit its record: an IPv4 address for A, an IPv6 address for AAAA, a host name without a final dot for CNAME and for an alias."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : concat(
      [for site in [service.primary, service.standby] : !(service.type == "CNAME" && site.alias_zone != null)],
      [for more in service.also : !(more.type == "CNAME" && (more.primary_alias_zone != null || more.standby_alias_zone != null))],
    )]))
    error_message = "An alias has the type A or AAAA: a CNAME cannot be one of another zone's name."
  }

  validation {
    condition     = alltrue(flatten([for service in var.services : [for ttl in compact([service.ttl]) : tonumber(ttl) >= 1 && tonumber(ttl) <= 300 && floor(tonumber(ttl)) == tonumber(ttl)]]))
    error_message = "ttl must be 1 to 300 whole seconds; leave it out for 30 (lane records) or 60 (lanes flag and both)."
  }

  validation {
    condition     = alltrue([for service in var.services : contains(["records", "flag", "both"], service.lane)])
    error_message = "lane must be records, flag or both."
  }

  validation {
    condition = alltrue(flatten([for service in var.services : [
      for site in [service.primary.site, service.standby.site] : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", site))
    ]])) && alltrue([for service in var.services : service.primary.site != service.standby.site])
    error_message = "The two sites of a service need two names, each of 1 to 63 lower-case letters, digits and inner hyphens."
  }

  validation {
    condition     = alltrue([for service in var.services : (service.lane == "records") == (length(service.flags) == 0)])
    error_message = "The lanes flag and both need at least one URL in flags, and the lane records has none."
  }

  validation {
    condition     = alltrue(flatten([for service in var.services : [for url in values(service.flags) : can(regex("^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[^?#\\s]+$", url))]]))
    error_message = "Each of flags must be an https URL with a host and a path, without query and fragment: Route 53's checkers fetch it."
  }

  validation {
    # A calculated check takes 256 children.
    condition     = alltrue([for service in var.services : length(service.flags) <= 256])
    error_message = "A service may have 256 flags at most."
  }
}

variable "phrases" {
  description = "For each service with the lane flag or both, the unguessable phrase whose presence in a flag object means \"fail over\"."
  type        = map(string)
  default     = {}
  nullable    = false
  sensitive   = true

  validation {
    condition     = alltrue([for phrase in values(var.phrases) : length(phrase) >= 20 && length(phrase) <= 255 && can(regex("^[A-Za-z0-9_.-]+$", phrase))])
    error_message = "A phrase must have 20 to 255 letters, digits, dots, hyphens and underscores: Route 53 searches for it byte by byte."
  }

  validation {
    condition     = alltrue([for name, service in var.services : service.lane == "records" || contains(keys(var.phrases), name)])
    error_message = "phrases needs one for every service with the lane flag or both, under the service's name."
  }
}

variable "soa_ttl" {
  description = "Seconds for which resolvers may keep the SOA record; with negative_ttl the longest time that a missing name is remembered."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.soa_ttl >= 30 && var.soa_ttl <= 900 && floor(var.soa_ttl) == var.soa_ttl
    error_message = "soa_ttl must be 30 to 900 whole seconds."
  }
}

variable "negative_ttl" {
  description = "Minimum field of the SOA record in seconds: for how long at most resolvers remember that a name is missing."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.negative_ttl >= 30 && var.negative_ttl <= 900 && floor(var.negative_ttl) == var.negative_ttl
    error_message = "negative_ttl must be 30 to 900 whole seconds."
  }
}

variable "check_interval" {
  description = "Seconds between two looks of one Route 53 checker at a flag: 10, or 30, which costs less."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = contains([10, 30], var.check_interval)
    error_message = "check_interval must be 10 or 30: Route 53 has no other."
  }
}

variable "check_failures" {
  description = "How many looks in a row must agree before a checker changes its mind, both ways: 1 to 10."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.check_failures >= 1 && var.check_failures <= 10 && floor(var.check_failures) == var.check_failures
    error_message = "check_failures must be 1 to 10."
  }
}

variable "force_destroy" {
  description = "Whether destroying the zone also deletes the records in it that Terraform did not make, the controller's ownership records among them."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags on the zone and the health checks."
  type        = map(string)
  default     = {}
  nullable    = false
}
