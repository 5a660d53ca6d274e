variable "name" {
  description = "Name of the role and the policy."
  type        = string
  default     = "quorate-controller"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 of the characters that IAM takes in names."
  }
}

variable "zone_arns" {
  description = "ARNs of the zones that hold the names."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zone_arns) > 0 && alltrue([for arn in var.zone_arns : can(regex("^arn:aws:route53:::hostedzone/[A-Z0-9]{1,32}$", arn))])
    error_message = "zone_arns needs at least one ARN of a hosted zone: arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ."
  }
}

variable "names" {
  description = "Every name that the controller may move, those under `also` included."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.names) > 0 && alltrue([for name in var.names : can(regex("^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "names needs at least one host name, each in lower case, without a wildcard and without a final dot."
  }
}

variable "marks" {
  description = "Every ownership record that the controller may swap, a `_quorate.NAME` for each service."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.marks) > 0 && alltrue([for mark in var.marks : can(regex("^_quorate\\.[a-z0-9_.-]+[a-z0-9]$", mark))])
    error_message = "marks needs at least one name that begins with _quorate., in lower case and without a final dot."
  }
}

variable "types" {
  description = "The types of the records that move: of A, AAAA and CNAME those that are in use."
  type        = list(string)
  default     = ["A"]
  nullable    = false

  validation {
    condition     = length(var.types) > 0 && alltrue([for type in var.types : contains(["A", "AAAA", "CNAME"], type)])
    error_message = "types must be one or more of A, AAAA and CNAME. The ownership record's TXT is always added."
  }
}

variable "flag_object_arns" {
  description = "ARNs of the flag objects in S3; empty without the flag lane."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.flag_object_arns : can(regex("^arn:aws:s3:::[a-z0-9.-]{3,63}/[^*?]+\\.flag$", arn))])
    error_message = "Each of flag_object_arns must name one object that ends with .flag, without wildcards: arn:aws:s3:::BUCKET/quorate/login.flag."
  }
}

variable "flag_bucket_arns" {
  description = "ARNs of the buckets of those objects; to be told that a flag is absent, instead of that reading it is forbidden."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.flag_bucket_arns : can(regex("^arn:aws:s3:::[a-z0-9.-]{3,63}$", arn))])
    error_message = "Each of flag_bucket_arns must look like arn:aws:s3:::BUCKET."
  }

  validation {
    condition     = (length(var.flag_bucket_arns) == 0) == (length(var.flag_object_arns) == 0)
    error_message = "flag_bucket_arns and flag_object_arns belong together: give both or none."
  }
}

variable "trust_ec2" {
  description = "Whether instances of this account may take the role; makes an instance profile."
  type        = bool
  default     = false
  nullable    = false
}

variable "trust_oidc" {
  description = "Identity providers whose tokens may take the role, for a controller in another cloud: the provider's ARN, its issuer without https://, the audience, and the exact subjects."
  type = list(object({
    provider_arn = string
    issuer       = string
    audience     = optional(string, "sts.amazonaws.com")
    subjects     = list(string)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for oidc in var.trust_oidc : can(regex("^arn:aws:iam::[0-9]{12}:oidc-provider/.+$", oidc.provider_arn))])
    error_message = "provider_arn must be the ARN of an identity provider in IAM: arn:aws:iam::123456789012:oidc-provider/HOST."
  }

  validation {
    condition     = alltrue([for oidc in var.trust_oidc : length(oidc.subjects) > 0 && alltrue([for subject in oidc.subjects : length(subject) > 0 && !can(regex("[*?]", subject))])])
    error_message = "subjects must name at least one subject, exactly: a wildcard would trust whoever the provider vouches for."
  }

  validation {
    condition     = alltrue([for oidc in var.trust_oidc : can(regex("^[a-z0-9.-]+(/[A-Za-z0-9._/-]+)?$", oidc.issuer))])
    error_message = "issuer must be the issuer's host and path, without https://."
  }
}

variable "trust_principals" {
  description = "ARNs of IAM users and roles that may take the role, for a controller outside of any cloud."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.trust_principals : can(regex("^arn:aws:iam::[0-9]{12}:(user|role)/.+$", arn))])
    error_message = "Each of trust_principals must be the ARN of one user or role; a whole account is more than a controller."
  }

  validation {
    condition     = var.trust_ec2 || length(var.trust_oidc) > 0 || length(var.trust_principals) > 0
    error_message = "Nobody could take the role: set trust_ec2, trust_oidc or trust_principals."
  }
}

variable "external_id" {
  description = "What trust_principals must present besides, if anything."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || can(regex("^[A-Za-z0-9_+=,.@:/-]{2,1000}$", var.external_id))
    error_message = "external_id must be 2 to 1000 of the characters that STS takes."
  }
}

variable "record_protections" {
  description = "Whether the controller may use Route 53's record protections as a server-side freeze. Their IAM actions are not verified: AWS's reference did not list them in September 2026."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role, if the account asks for one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags on the role and the policy."
  type        = map(string)
  default     = {}
  nullable    = false
}
