terraform {
  # Conditions of variables that look at other variables came with 1.9.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The tests run with 5.100.0.
      version = "~> 5.100"
    }
  }
}
