//! A flag in two folders, each served by an agent, and the health checks that look for it.

use std::path::Path;

use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType};

use super::super::dns_world::console;

/// What the health checks search for.
pub(crate) const PHRASE: &str = "e2e-flag-phrase-4f1d9a0b77";

/// The folders, beside the configuration.
pub(super) const FOLDERS: [&str; 2] = ["flags-a", "flags-b"];

/// The configuration's part about it.
pub(super) fn section(dir: &Path) -> String {
    let stores: Vec<String> = FOLDERS
        .iter()
        .map(|folder| {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
            format!("\"file://{}\"", dir.join(folder).display())
        })
        .collect();
    format!(
        "[service.flag]\nstores = [{}]\nphrase = \"flag-phrase\"\nsigning_key = \"flag-key\"\n",
        stores.join(", ")
    )
}

/// Makes one inverted check for each place, and the calculated one that needs all of them. Its id.
pub(super) async fn watch(api: &str, ports: [u16; 2]) -> String {
    let console = console(api);
    let make = async |reference: String, config: HealthCheckConfig| {
        let made = console.create_health_check().caller_reference(reference).health_check_config(config).send().await;
        made.unwrap().health_check.unwrap().id
    };
    let mut children = Vec::new();
    for port in ports {
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::HttpStrMatch)
            .ip_address("127.0.0.1")
            .port(port.into())
            .resource_path("/flags/login")
            .search_string(PHRASE)
            .request_interval(10)
            .failure_threshold(1)
            .inverted(true)
            .build()
            .unwrap();
        children.push(make(format!("flag-{port}"), config).await);
    }
    let config = HealthCheckConfig::builder()
        .r#type(HealthCheckType::Calculated)
        .health_threshold(i32::try_from(children.len()).unwrap())
        .set_child_health_checks(Some(children))
        .build()
        .unwrap();
    make("flags".to_owned(), config).await
}
