"""Facts with much data: what goes over the bus stays within what it takes."""


def test_many_large_facts_at_once(lazo, sink):
    lazo.template("large", "Hola {{ contact.first_name }}", "{{ interaction.data.note | size }}")
    lazo.journey("large", {"start": {"interaction": "large"}, "steps": [{"wait": "1 hour"}, {"send": "large"}]})
    for n in range(9):
        lazo.record({"email": f"large{n}@example.org", "first_name": "Ana"}, "large", data={"note": "x" * 6_000_000})
    lazo.settle()
    lazo.advance("2 hours")
    for n in range(9):
        mail, = sink.wait(f"large{n}@example.org")
        assert mail.text.strip() == "6000000"
