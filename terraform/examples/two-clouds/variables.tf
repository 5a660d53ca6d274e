variable "zone_name" {
  description = "Name of the dedicated zone that is made, such as failover.example.com."
  type        = string
  default     = "failover.example.com"
  nullable    = false
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
  default     = "example"
  nullable    = false
}

variable "service" {
  description = "The service: its name, the name that moves is NAME.ZONE, and www.NAME.ZONE moves with it."
  type        = string
  default     = "login"
  nullable    = false
}

variable "lane" {
  description = "records, flag or both."
  type        = string
  default     = "both"
  nullable    = false
}

variable "own" {
  description = "Whether Terraform writes the ownership record, so that nothing is left to adopt."
  type        = bool
  default     = false
  nullable    = false
}

variable "aws_address" {
  description = "Where the primary answers, in AWS."
  type        = string
  default     = "192.0.2.10"
  nullable    = false
}

variable "azure_address" {
  description = "Where the read-only standby answers, in Azure."
  type        = string
  default     = "198.51.100.10"
  nullable    = false
}

variable "aws_url" {
  description = "Where probes reach just the primary."
  type        = string
  default     = "https://login.aws.example.com/"
  nullable    = false
}

variable "azure_url" {
  description = "Where probes reach just the standby; its admin endpoints are below it."
  type        = string
  default     = "https://login.azure.example.com/"
  nullable    = false

  validation {
    condition     = endswith(var.azure_url, "/")
    error_message = "azure_url must end with a slash: the admin endpoints are below it."
  }
}

variable "bucket_prefix" {
  description = "First part of the flag buckets' names, which are unique in the whole world; the region is the last part."
  type        = string
  default     = "quorate-flags-example"
  nullable    = false
}

variable "more_flags" {
  description = "Flag stores outside AWS, by label: `store` as in quorate.toml (az://… or gs://…), and the flag object's public https `url`."
  type        = map(object({ store = string, url = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for flag in values(var.more_flags) : can(regex("^(az|gs)://[^/]+(/.*)?$", flag.store))])
    error_message = "store must be az://CONTAINER/… or gs://BUCKET/…: stores in S3 are made here."
  }
}

variable "phrase" {
  description = "The unguessable phrase of the flag: the value of the secret flag-phrase. Null only for the lane records."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.lane == "records" || var.phrase != null
    error_message = "The lanes flag and both need a phrase: openssl rand -hex 20 makes one."
  }
}

variable "controller_url" {
  description = "Where agents reach the controller."
  type        = string
  default     = "https://quorate.example.net"
  nullable    = false
}

variable "controller_listen" {
  description = "Where the controller listens, address and port."
  type        = string
  default     = "10.0.0.5:7070"
  nullable    = false
}

variable "controller_oidc" {
  description = "The identity with which the controller takes its role from outside AWS; see modules/controller-iam."
  type = list(object({
    provider_arn = string
    issuer       = string
    audience     = optional(string, "sts.amazonaws.com")
    subjects     = list(string)
  }))
  default  = []
  nullable = false
}

variable "canaries" {
  description = "Neutral places that agents ask when a probe fails, of three providers, one by address, none of a site's. Choose your own."
  type        = list(string)
  default     = ["https://one.example.net/", "https://two.example.org/", "tcp://192.0.2.53:443"]
  nullable    = false
}

variable "other_vantages" {
  description = "Agents that are not in AWS, and that are set up elsewhere: name, cloud and region as in quorate.toml."
  type        = list(object({ name = string, cloud = string, region = string, account = optional(string, "probe-3") }))
  default = [
    { name = "azure-westeurope", cloud = "azure", region = "westeurope" },
    { name = "gcp-europe-west1", cloud = "gcp", region = "europe-west1", account = "probe-4" },
    { name = "hetzner-fsn1", cloud = "hetzner", region = "fsn1", account = "probe-5" },
  ]
  nullable = false
}

variable "agent_binary" {
  description = "Where agents fetch the quorate binary for ARM, and its SHA-256; see modules/agent. Null makes no agents."
  type        = object({ url = string, sha256 = string })
  default     = null
}
