//! The example of an application of one's own, as it is printed.

#[expect(dead_code, reason = "the example's `main` prints what is compared here")]
#[path = "../../examples/own_consumer.rs"]
mod example;

#[test]
fn the_example_shows_a_consumer_that_books_twice() {
    let told = example::told(7).unwrap_or_else(|error| panic!("{error}"));
    let again = example::told(7).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(told, again, "one seed, one run");
    let has = |part: &str| assert!(told.contains(part), "no `{part}` in\n{told}");
    has("Every order is booked once");
    has("✓ never acked-lost");
    has("✓ never dirty-read");
    has("crash 2");
    has("PASS  every expectation held");
    // What was read before the ledger was killed is read and booked again: its bug.
    let books = told.lines().last().unwrap_or_default();
    let numbers: Vec<u32> = books.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [orders, again] = numbers[..] else { panic!("{books}") };
    assert!(orders > 1_000 && again > 100 && again < orders, "{books}");
}
