//! The memory is bounded.

use super::*;

const KIB: u64 = 1024;

/// Fills a cache with profiles, and returns its greatest size and the layer.
async fn fill(max_bytes: u64, profiles: usize, body: usize) -> (u64, ResponseCacheLayer) {
    let api = Api::scripted(move |_| {
        let mut response = Response::new(Full::from(vec![b'x'; body]));
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response.headers_mut().insert("etag", "\"0123456789abcdef\"".parse().unwrap());
        Ok(response)
    });
    let layer = ResponseCacheLayer::with_max_bytes(max_bytes)
        .unwrap()
        .endpoint(user(), |config| config.ttl(3_600 * SECOND));
    let handle = layer.handle();
    let mut client = client(&layer, &api);
    let mut most = 0;
    for user in 0..profiles {
        let request = with_headers(&format!("/users/{user}"), &[("authorization", "Bearer token")]);
        assert_eq!(client.ready().await.unwrap().call(request).await.unwrap().status(), 200);
        if user % 100 == 0 {
            most = most.max(handle.snapshot().bytes());
        }
    }
    (most.max(handle.snapshot().bytes()), layer)
}

#[tokio::test(start_paused = true)]
async fn the_bytes_stay_under_the_bound() {
    for (max_bytes, body) in [(64 * KIB, 100), (512 * KIB, 1_000), (1_024 * KIB, 60_000)] {
        let (most, layer) = fill(max_bytes, 2_000, body).await;
        assert!(most <= max_bytes, "{most} of {max_bytes}");
        let seen = layer.handle().snapshot();
        assert!(seen.bytes() > max_bytes / 2, "{seen:?}");
        assert!(seen.entries() > 0 && seen.entries() < 2_000);
    }
}

/// Needs `/proc`, and takes some seconds with optimisation.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes without optimisation; `Store` has the same with a smaller bound"]
async fn a_million_profiles_stay_under_the_bound() {
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * KIB
    };
    for max_bytes in [64 << 20, 256 << 20, 3_u64 << 30] {
        let before = resident();
        let (most, layer) = fill(max_bytes, 1_000_000, 1_000).await;
        let taken = resident() - before;
        let seen = layer.handle().snapshot();
        println!("bound {max_bytes}, counted {most}, process {taken}, {} entries", seen.entries());
        assert!(most <= max_bytes, "{most} of {max_bytes}");
        assert!(taken <= max_bytes + max_bytes / 10, "{taken} of {max_bytes}");
    }
}
