//! Functions that publish: the chain of causes ends after sixteen.

use super::*;

fn caused(server: &Server, path: &str, cause: &str, body: &Value) -> Response {
    server.send(&Request::post(path).key(ADMIN).header("Campanile-Cause", cause).json(body))
}

#[test]
fn a_chain_of_causes_is_at_most_sixteen_long() {
    let server = Server::start();
    let receiver = Receiver::willing();
    add(&server, PRE, "publisher", &receiver);
    ask(&server, &draft()).must(201);
    let last = || receiver.deliveries().last().unwrap().header("Campanile-Cause").to_owned();
    for depth in 1..=16 {
        let answer = caused(&server, "/api/v1/events?wait=true", &last(), &draft());
        assert_eq!(answer.status, 201, "{depth}: {}", answer.text());
    }
    let token = last();
    let refused = caused(&server, "/api/v1/events?wait=true", &token, &draft()).problem(422);
    assert!(refused["type"].as_str().unwrap().ends_with("cycle"), "{refused}");
    // Whatever is published belongs to the chain.
    let other = json!({"type": "user.created", "data": {}});
    for (path, body) in
        [("/api/v1/events", other.clone()), ("/api/v1/events/batch", json!({"events": [other]}))]
    {
        let refused = caused(&server, path, &token, &body).problem(422);
        assert!(refused["type"].as_str().unwrap().ends_with("cycle"), "{refused}");
    }
    assert_eq!((server.head(), receiver.deliveries().len()), (17, 17));
}

#[test]
fn a_token_that_was_not_given_is_refused() {
    let server = Server::start();
    let receiver = Receiver::willing();
    add(&server, PRE, "publisher", &receiver);
    ask(&server, &draft()).must(201);
    let token = receiver.deliveries()[0].header("Campanile-Cause").to_owned();
    caused(&server, "/api/v1/events", &token, &json!({"type": "a", "data": {}})).must(201);
    for bad in ["", "1", &token[1..], &format!("{token}0"), &token.replacen('1', "0", 1)] {
        caused(&server, "/api/v1/events", bad, &json!({"type": "a", "data": {}})).problem(400);
    }
}
