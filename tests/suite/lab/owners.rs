//! What tools that manage zones and health checks ask for besides: tags, comments, lists by name, counts.

use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType, Tag, TagResourceType};

use super::*;

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

#[tokio::test]
async fn tags_are_kept_changed_and_gone_with_what_they_were_on() {
    let bench = Bench::new().await;
    let config =
        HealthCheckConfig::builder().r#type(HealthCheckType::Calculated).health_threshold(0).build().unwrap();
    let made = bench.client.create_health_check().caller_reference("r").health_check_config(config);
    let check = made.send().await.unwrap().health_check().unwrap().id().to_owned();
    for (kind, id) in [(TagResourceType::Hostedzone, &bench.zone), (TagResourceType::Healthcheck, &check)] {
        let change = || bench.client.change_tags_for_resource().resource_type(kind.clone()).resource_id(id);
        let listed = async || {
            let request = bench.client.list_tags_for_resource().resource_type(kind.clone()).resource_id(id);
            let set = request.send().await.unwrap().resource_tag_set().unwrap().clone();
            assert_eq!((set.resource_id(), set.resource_type()), (Some(id.as_str()), Some(&kind)));
            set.tags()
                .iter()
                .map(|tag| format!("{}={}", tag.key().unwrap(), tag.value().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(listed().await, [""; 0]);
        change().add_tags(tag("Name", "login")).add_tags(tag("team", "a&b")).send().await.unwrap();
        change().add_tags(tag("team", "b")).remove_tag_keys("Name").send().await.unwrap();
        assert_eq!(listed().await, ["team=b"]);
        let many = (0..10).map(|number| tag(&number.to_string(), "x")).collect();
        let refused = change().set_add_tags(Some(many)).send().await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_input(), "{refused:?}");
        assert_eq!(listed().await, ["team=b"]);
        let several = bench.client.list_tags_for_resources().resource_type(kind.clone()).resource_ids(id);
        assert_eq!(several.send().await.unwrap().resource_tag_sets().len(), 1);
    }
    bench.client.delete_health_check().health_check_id(&check).send().await.unwrap();
    let gone = bench.client.list_tags_for_resource().resource_type(TagResourceType::Healthcheck).resource_id(&check);
    assert!(gone.send().await.unwrap_err().into_service_error().is_no_such_health_check());
}

#[tokio::test]
async fn zones_are_listed_by_reversed_name_and_health_checks_in_pages() {
    let bench = Bench::new().await;
    for name in ["b.example.com", "a.test", "a.example.com"] {
        bench.lab.create_zone(name).unwrap();
    }
    let names = |zones: &[aws_sdk_route53::types::HostedZone]| {
        zones.iter().map(|zone| zone.name().to_owned()).collect::<Vec<_>>()
    };
    let first = bench.client.list_hosted_zones_by_name().max_items(2).send().await.unwrap();
    assert_eq!(names(first.hosted_zones()), ["example.com.", "a.example.com."]);
    assert_eq!((first.is_truncated(), first.next_dns_name()), (true, Some("b.example.com.")));
    let rest = bench
        .client
        .list_hosted_zones_by_name()
        .set_dns_name(first.next_dns_name().map(str::to_owned))
        .set_hosted_zone_id(first.next_hosted_zone_id().map(str::to_owned));
    assert_eq!(names(rest.send().await.unwrap().hosted_zones()), ["b.example.com.", "a.test."]);
    assert_eq!(bench.client.get_hosted_zone_count().send().await.unwrap().hosted_zone_count(), 4);

    let comment = bench.client.update_hosted_zone_comment().id(&bench.zone).comment("ours").send().await.unwrap();
    assert_eq!(comment.hosted_zone().unwrap().config().unwrap().comment(), Some("ours"));
    let signing = bench.client.get_dnssec().hosted_zone_id(&bench.zone).send().await.unwrap();
    assert_eq!(signing.status().unwrap().serve_signature(), Some("NOT_SIGNING"));

    for number in 0..3 {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Calculated).health_threshold(number);
        let request = bench.client.create_health_check().caller_reference(number.to_string());
        request.health_check_config(config.build().unwrap()).send().await.unwrap();
    }
    let (mut marker, mut thresholds) = (None, Vec::new());
    loop {
        let page = bench.client.list_health_checks().max_items(2).set_marker(marker).send().await.unwrap();
        let configs = page.health_checks().iter().filter_map(|check| check.health_check_config());
        thresholds.extend(configs.filter_map(|config| config.health_threshold()));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    thresholds.sort_unstable();
    assert_eq!(thresholds, [0, 1, 2]);
    assert_eq!(bench.client.get_health_check_count().send().await.unwrap().health_check_count(), 3);
}
