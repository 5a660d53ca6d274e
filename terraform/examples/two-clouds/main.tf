# A login whose primary is in AWS and whose read-only standby is in Azure.
#
#   zone        the names, their failover pairs, and the health checks on the flags
#   flags       a bucket in each of two regions, neither of them the primary's; stores of other clouds in more_flags
#   controller  the role that the controller takes, wherever it runs
#   agents      one in each of two regions; those of other clouds in other_vantages

# The primary runs in us-east-1, say. Nothing of what moves its name away is there, but for Route 53's own control plane.
provider "aws" {
  region = "us-east-1"
}

provider "aws" {
  alias  = "frankfurt"
  region = "eu-central-1"
}

provider "aws" {
  alias  = "sydney"
  region = "ap-southeast-2"
}

locals {
  name       = "${var.service}.${var.zone_name}"
  with_flags = var.lane != "records"

  flag_urls = !local.with_flags ? {} : merge(
    {
      frankfurt = module.flags_frankfurt[0].urls[var.service]
      sydney    = module.flags_sydney[0].urls[var.service]
    },
    { for label, flag in var.more_flags : label => flag.url },
  )

  agents = {
    frankfurt = { name = "aws-eu-central-1", cloud = "aws", region = "eu-central-1", account = "probe-1" }
    sydney    = { name = "aws-ap-southeast-2", cloud = "aws", region = "ap-southeast-2", account = "probe-2" }
  }

  # What an agent in AWS reads of its secrets, from Parameter Store of its own region.
  agent_secrets = { for name in ["api-token", "probe-user", "probe-password"] : name => "ssm:/quorate/${name}" }

  agent_files = {
    for each in ["checks/login.rhai", "policies/default.toml"] : each => file("${path.module}/../../../${each}")
  }

  quorate_toml = templatefile("${path.module}/quorate.toml.tftpl", {
    cluster           = var.cluster
    controller_listen = var.controller_listen
    controller_url    = var.controller_url
    canaries          = var.canaries
    vantages          = concat(values(local.agents), var.other_vantages)
    service           = var.service
    name              = local.name
    also              = "www.${local.name}"
    lane              = var.lane
    zone_id           = module.zone.zone_id
    ttl               = module.zone.services[var.service].ttl
    health_check      = module.zone.services[var.service].primary_health_check
    aws_address       = var.aws_address
    azure_address     = var.azure_address
    aws_url           = var.aws_url
    azure_url         = var.azure_url
    stores = !local.with_flags ? [] : concat(
      [module.flags_frankfurt[0].store, module.flags_sydney[0].store],
      [for flag in values(var.more_flags) : flag.store],
    )
  })
}

module "zone" {
  source = "../../modules/failover-zone"

  zone_name = var.zone_name
  cluster   = var.cluster
  phrases   = local.with_flags ? { (var.service) = var.phrase } : {}

  services = {
    (var.service) = {
      name    = local.name
      lane    = var.lane
      own     = var.own
      primary = { site = "aws", answer = var.aws_address }
      standby = { site = "azure", answer = var.azure_address }
      also    = [{ name = "www.${local.name}", primary = var.aws_address, standby = var.azure_address }]
      flags   = local.flag_urls
    }
  }
}

module "flags_frankfurt" {
  source    = "../../modules/flag-store"
  count     = local.with_flags ? 1 : 0
  providers = { aws = aws.frankfurt }

  bucket   = "${var.bucket_prefix}-eu-central-1"
  region   = "eu-central-1"
  services = [var.service]
}

module "flags_sydney" {
  source    = "../../modules/flag-store"
  count     = local.with_flags ? 1 : 0
  providers = { aws = aws.sydney }

  bucket   = "${var.bucket_prefix}-ap-southeast-2"
  region   = "ap-southeast-2"
  services = [var.service]
}

module "controller" {
  source = "../../modules/controller-iam"

  name             = "quorate-${var.cluster}"
  zone_arns        = [module.zone.zone_arn]
  names            = module.zone.services[var.service].names
  marks            = [module.zone.services[var.service].mark]
  types            = module.zone.services[var.service].types
  flag_object_arns = [for flags in concat(module.flags_frankfurt, module.flags_sydney) : flags.object_arns[var.service]]
  flag_bucket_arns = [for flags in concat(module.flags_frankfurt, module.flags_sydney) : flags.bucket_arn]
  trust_ec2        = length(var.controller_oidc) == 0
  trust_oidc       = var.controller_oidc
}

module "agent_frankfurt" {
  source    = "../../modules/agent"
  count     = var.agent_binary == null ? 0 : 1
  providers = { aws = aws.frankfurt }

  vantage       = local.agents.frankfurt.name
  config        = local.quorate_toml
  files         = local.agent_files
  binary_url    = var.agent_binary.url
  binary_sha256 = var.agent_binary.sha256
  secrets       = local.agent_secrets
}

module "agent_sydney" {
  source    = "../../modules/agent"
  count     = var.agent_binary == null ? 0 : 1
  providers = { aws = aws.sydney }

  vantage       = local.agents.sydney.name
  config        = local.quorate_toml
  files         = local.agent_files
  binary_url    = var.agent_binary.url
  binary_sha256 = var.agent_binary.sha256
  secrets       = local.agent_secrets
}
