variable "bucket" {
  description = "Name of the bucket, which holds flags and nothing else."
  type        = string
  nullable    = false

  validation {
    # A dot in the name would not fit the certificate of the bucket's host name.
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be 3 to 63 lower-case letters, digits and inner hyphens, without dots."
  }
}

variable "region" {
  description = "The AWS region of the provider that the module is given, such as eu-central-1; checked when the bucket is made."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region must be a region of the public AWS cloud, such as eu-central-1."
  }
}

variable "services" {
  description = "The services, by their names in quorate.toml, that have their flag in this store."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.services) > 0 && alltrue([for name in var.services : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "services needs at least one name of 1 to 63 lower-case letters, digits and inner hyphens."
  }
}

variable "prefix" {
  description = "Folder of the flag objects in the bucket: PREFIX/SERVICE.flag."
  type        = string
  default     = "quorate"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(/[A-Za-z0-9][A-Za-z0-9_-]{0,63}){0,3}$", var.prefix))
    error_message = "prefix must be one to four folders of letters, digits, hyphens and underscores, without slashes at its ends."
  }
}

variable "reader_cidrs" {
  description = "Address ranges that may read flags without credentials; empty for everybody. Route 53's checkers must be among them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.reader_cidrs : can(cidrhost(range, 0))])
    error_message = "Each of reader_cidrs must be an address range, such as 192.0.2.0/24."
  }
}

variable "history_days" {
  description = "For how many days earlier versions of a flag are kept: 1 to 3650."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.history_days >= 1 && var.history_days <= 3650 && floor(var.history_days) == var.history_days
    error_message = "history_days must be 1 to 3650 whole days."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket also deletes the flags in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags on the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
