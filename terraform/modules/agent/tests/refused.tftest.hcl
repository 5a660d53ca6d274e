# What the module does not take.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  vantage       = "aws-eu-central-1"
  config        = "[[vantage]]\n"
  binary_url    = "https://example.com/quorate"
  binary_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
}

run "a_name_that_is_none" {
  command = plan
  variables {
    vantage = "AWS Frankfurt"
  }
  expect_failures = [var.vantage]
}

run "no_configuration" {
  command = plan
  variables {
    config = ""
  }
  expect_failures = [var.config]
}

run "secrets_as_a_file" {
  command = plan
  variables {
    files = { "secrets.toml" = "x" }
  }
  expect_failures = [var.files]
}

run "a_file_elsewhere" {
  command = plan
  variables {
    files = { "../../etc/passwd.toml" = "x" }
  }
  expect_failures = [var.files]
}

run "a_binary_without_tls" {
  command = plan
  variables {
    binary_url = "http://example.com/quorate"
  }
  expect_failures = [var.binary_url]
}

run "a_binary_with_a_command_in_it" {
  command = plan
  variables {
    binary_url = "https://example.com/quorate'; reboot; '"
  }
  expect_failures = [var.binary_url]
}

run "a_checksum_of_another_kind" {
  command = plan
  variables {
    binary_sha256 = "d41d8cd98f00b204e9800998ecf8427e"
  }
  expect_failures = [var.binary_sha256]
}

run "a_value_instead_of_a_place" {
  command = plan
  variables {
    secrets = { probe-user = "hunter2" }
  }
  expect_failures = [var.secrets]
}

run "an_alias_of_a_key" {
  command = plan
  variables {
    kms_key_arns = ["alias/quorate"]
  }
  expect_failures = [var.kms_key_arns]
}

run "a_type_that_is_none" {
  command = plan
  variables {
    instance_type = "small"
    ami_parameter = "/my/ami"
    ami           = "debian"
  }
  expect_failures = [var.instance_type, var.ami_parameter, var.ami]
}

run "a_subnet_without_its_vpc" {
  command = plan
  variables {
    subnet_id = "subnet-0123456789abcdef0"
  }
  expect_failures = [var.vpc_id]
}

run "a_subnet_that_is_none" {
  command = plan
  variables {
    subnet_id = "private"
    vpc_id    = "vpc-0123456789abcdef0"
  }
  expect_failures = [var.subnet_id]
}

run "no_way_out" {
  command = plan
  variables {
    egress = []
  }
  expect_failures = [var.egress]
}

# EC2 takes 16 KiB, compressed.
run "more_than_user_data_holds" {
  command = plan
  variables {
    files = { "checks/long.rhai" = join("", [for number in range(1000) : sha256(tostring(number))]) }
  }
  expect_failures = [aws_instance.this]
}
