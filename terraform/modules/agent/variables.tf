variable "vantage" {
  description = "Name of the vantage in quorate.toml that this agent is."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$", var.vantage))
    error_message = "vantage must be a name as in quorate.toml: 1 to 50 lower-case letters, digits and inner hyphens."
  }
}

variable "config" {
  description = "The text of quorate.toml. It names secrets and holds none."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.config) > 0 && strcontains(var.config, "[[vantage]]")
    error_message = "config must be the text of a quorate.toml with its vantages, such as the output of examples/two-clouds."
  }
}

variable "files" {
  description = "More files beside quorate.toml, by relative path: checks/login.rhai, policies/patient.toml."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for path in keys(var.files) : can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\\.(rhai|toml|pem)$", path)) && path != "quorate.toml" && path != "secrets.toml"])
    error_message = "Each of files must be a relative path that ends with .rhai, .toml or .pem; secrets come from secrets, and quorate.toml from config."
  }
}

variable "binary_url" {
  description = "Where the instance fetches the quorate binary for its architecture: an https URL that needs no credentials, or s3://BUCKET/KEY, which its role may then read."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(https://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9/._~%+-]+|s3://[a-z0-9.-]{3,63}/[A-Za-z0-9/._-]+)$", var.binary_url))
    error_message = "binary_url must be https://HOST/PATH or s3://BUCKET/KEY."
  }
}

variable "binary_sha256" {
  description = "SHA-256 of that binary in lower-case hexadecimal digits; another file is not run."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.binary_sha256))
    error_message = "binary_sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them."
  }
}

variable "secrets" {
  description = "For each secret of quorate.toml that this agent needs, where its value is: ssm:PARAMETER or secretsmanager:NAME, in the agent's region."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "The keys of secrets must be names as in quorate.toml."
  }

  validation {
    condition     = alltrue([for place in values(var.secrets) : can(regex("^(ssm:/[A-Za-z0-9/_.-]+|secretsmanager:[A-Za-z0-9/_+=.@-]+)$", place))])
    error_message = "Each of secrets must be ssm:/PATH/OF/PARAMETER or secretsmanager:NAME: a place, never a value."
  }
}

variable "kms_key_arns" {
  description = "ARNs of the keys that encrypt those secrets, where they are not AWS's own aws/ssm and aws/secretsmanager."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of kms_key_arns must be the ARN of a key, not of an alias."
  }
}

variable "instance_type" {
  description = "The instance; of the ARM family unless ami_parameter names another architecture."
  type        = string
  default     = "t4g.nano"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type must look like t4g.nano."
  }
}

variable "ami_parameter" {
  description = "Public SSM parameter with the image's id. The image needs systemd, cloud-init, curl and the AWS CLI, as Amazon Linux 2023 has them."
  type        = string
  default     = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
  nullable    = false

  validation {
    condition     = startswith(var.ami_parameter, "/aws/service/")
    error_message = "ami_parameter must be one of the public parameters below /aws/service/."
  }
}

variable "ami" {
  description = "Id of an image of your own, instead of the one that ami_parameter names."
  type        = string
  default     = null

  validation {
    condition     = var.ami == null || can(regex("^ami-[0-9a-f]+$", var.ami))
    error_message = "ami must look like ami-0123456789abcdef0."
  }
}

variable "subnet_id" {
  description = "The subnet; null for the region's default one."
  type        = string
  default     = null

  validation {
    condition     = var.subnet_id == null || can(regex("^subnet-[0-9a-f]+$", var.subnet_id))
    error_message = "subnet_id must look like subnet-0123456789abcdef0."
  }
}

variable "vpc_id" {
  description = "The VPC of that subnet; null for the region's default one."
  type        = string
  default     = null

  validation {
    condition     = (var.vpc_id == null) == (var.subnet_id == null)
    error_message = "vpc_id and subnet_id belong together: give both or none."
  }
}

variable "public_address" {
  description = "Whether the instance gets a public IPv4 address; without one the subnet needs another way out."
  type        = bool
  default     = true
  nullable    = false
}

variable "egress" {
  description = "What the instance may open: protocol and port. Checks that speak other protocols need theirs."
  type        = list(object({ protocol = string, port = number }))
  default = [
    { protocol = "tcp", port = 443 },
    { protocol = "tcp", port = 80 },
    { protocol = "tcp", port = 53 },
    { protocol = "udp", port = 53 },
  ]
  nullable = false

  validation {
    condition     = length(var.egress) > 0 && alltrue([for each in var.egress : contains(["tcp", "udp"], each.protocol) && each.port >= 1 && each.port <= 65535])
    error_message = "egress needs at least one entry, each tcp or udp with a port of 1 to 65535."
  }
}

variable "session_manager" {
  description = "Whether people may open a shell through Session Manager, which needs no inbound port."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the instance's role, if the account asks for one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags on everything."
  type        = map(string)
  default     = {}
  nullable    = false
}
