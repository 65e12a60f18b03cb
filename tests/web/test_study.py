"""The server of a study: its votes, its limits, and what it keeps to itself until the last vote."""

import io
import json
import shutil
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from servers import serving
from voting_pages import by_key, by_touch, vote
from web_pages import window

from cropperhead import params
from cropperhead.cli.main import main
from cropperhead.collection.settings import CollectionSettings
from cropperhead.study import collect, findings, folder, returned, voting
from cropperhead.web import app, service

ID, RECEIPT, OTHER = "01" * 16, "02" * 16, "03" * 16
PHONE = {"width": 390, "height": 780}


@contextmanager
def served(study_made, place, **changes):
    """A client of a real server with a study, whose votes are in a folder's collection."""
    settings = CollectionSettings(str(place), **changes)
    router = service.study_router(study_made[0], settings)
    with serving(app.create_app(app.PageSettings(routers=[router]))) as client:
        yield client


@pytest.fixture
def client(study_made, tmp_path):
    with served(study_made, tmp_path) as found:
        yield found


def begin(client, identity=ID, receipt=RECEIPT):
    return client.post("/study/sessions", json={"id": identity, "receipt": receipt})


def answers(ballots, pair="left", three="132"):
    """A vote on each ballot."""
    return [
        {"ballot": each["ballot"], "answer": pair if len(each["crops"]) == 2 else three, "ms": 900}
        for each in ballots
    ]


def send(client, session, votes, rater=ID):
    fields = {"rater": rater, "session": session, "votes": votes}
    return client.post("/study/votes", json=fields)


def replace_study(place):
    """Puts another study of the same photos into a folder; it has other names for them."""
    key = place / "key.json"
    content = json.loads(key.read_text())
    key.unlink()
    key.write_text(json.dumps(content | {"id": "0" * 16, "secret": "0" * 64}))


def table(study_made, place):
    return collect.read_table(study_made[0], str(place)).table


def test_who_comes_back_gets_the_same_ballots(client):
    first, again = begin(client), begin(client)
    assert first.json() == again.json()
    assert first.headers["cache-control"] == "no-store"
    refused = begin(client, receipt=OTHER)
    assert (refused.status_code, refused.json()["reason"]) == (409, "id_taken")


def test_a_ballot_has_one_vote(client, study_made, tmp_path):
    given = begin(client).json()
    votes = answers(given["ballots"][:3])
    assert send(client, given["session"], votes).json() == {"new": 3}
    changed = answers(given["ballots"][:4], "right", "1")
    assert send(client, given["session"], changed).json() == {"new": 1}
    kept = table(study_made, tmp_path)
    assert kept["place"].nunique() == 4
    assert not kept[(kept["place"] < 3)]["answer"].eq("right").all()


def test_a_ballot_is_for_one_rater_alone(client):
    mine, theirs = begin(client).json(), begin(client, OTHER).json()
    stolen = send(client, mine["session"], answers(theirs["ballots"][:1]))
    assert (stolen.status_code, stolen.json()["reason"]) == (422, "ballot")
    under_their_session = send(client, theirs["session"], answers(theirs["ballots"][:1]))
    assert under_their_session.json()["reason"] == "ballot"


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"votes": []}, 422, "vote"),
        ({"votes": [7]}, 422, "vote"),
        ({"votes": {}}, 422, "vote"),
        ({"votes": [{"ballot": "f" * 32, "answer": "left", "ms": 1}]}, 422, "ballot"),
        ({"session": 4}, 422, "session"),
        ({"session": True}, 422, "session"),
        ({"rater": None}, 422, "field"),
        ({"rater": ""}, 422, "field"),
        ({"rater": "A" * 32}, 422, "field"),
        ({"more": 1}, 422, "json"),
        ({"votes": "x" * 20_000}, 413, "too_large"),
    ],
)
def test_what_was_not_given_here_is_refused_with_a_reason(client, fields, status, reason):
    refused = client.post("/study/votes", json={"rater": ID, "session": 0, "votes": []} | fields)
    assert (refused.status_code, refused.json()["reason"]) == (status, reason)


def test_a_rater_s_id_that_is_no_text_is_refused(client, study_made):
    ballot = study_made[1].ballot_token(0, 0, "\ud800")  # half a character: not valid UTF-8
    body = {"session": 0, "votes": [{"ballot": ballot, "answer": "neither", "ms": 900}]}
    text = json.dumps(body | {"rater": "\ud800"})  # the client's own encoder refuses it
    headers = {"Content-Type": "application/json"}
    refused = client.post("/study/votes", content=text, headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (422, "field")


def test_one_s_own_result_comes_after_the_last_vote(client, study_made):
    given = begin(client).json()
    who = {"id": ID, "receipt": RECEIPT}
    send(client, given["session"], answers(given["ballots"][:-1]))
    early = client.post("/study/results", json=who)
    assert (early.status_code, early.json()["reason"]) == (409, "unfinished")
    assert "human" not in early.text
    send(client, given["session"], answers(given["ballots"][-1:]))
    for identity, status in ((ID, 409), (OTHER, 404)):  # an id is in the address of every crop
        guessed = client.post("/study/results", json={"id": identity, "receipt": OTHER})
        assert guessed.status_code == status
    result = client.post("/study/results", json=who).json()
    told = [ballot for ballot in study_made[1].design[given["session"]] if ballot.mode == "tell"]
    found = sum(ballot.left == "human" for ballot in told)
    assert result["told"] == {"right": found, "of": len(told)}
    names = {each["cropper"] for each in result["liked"]}
    assert names == {"the photographer’s", "the network’s", "random"}
    # 30 pairs and 6 repeats, and 3 comparisons in each of 6 rankings: all have one winner
    assert sum(each["won"] for each in result["liked"]) == 30 + 6 + 18
    assert sum(each["of"] for each in result["liked"]) == 2 * (30 + 6 + 18)


def test_one_s_own_result_names_croppers_in_words():
    comparisons = [
        voting._Comparison("like", "none", "smartcrop", "left"),
        voting._Comparison("like", "median", "none", "right"),
    ]
    assert [each["cropper"] for each in voting._liked(comparisons)] == [
        "those of “no crop”",
        "constant",
        "those of “smartcrop”",
    ]


def test_who_withdraws_is_forgotten_and_late_votes_are_refused(client, study_made, tmp_path):
    given = begin(client).json()
    send(client, given["session"], answers(given["ballots"][:3]))
    wrong = client.post("/study/withdrawals", json={"id": ID, "receipt": OTHER})
    assert (wrong.status_code, wrong.json()["reason"]) == (404, "unknown_receipt")
    assert client.post("/study/withdrawals", json={"id": ID, "receipt": RECEIPT}).is_success
    assert table(study_made, tmp_path).empty
    assert send(client, given["session"], answers(given["ballots"][3:4])).status_code == 404
    assert begin(client).status_code == 410


def test_who_is_banned_from_the_command_line_has_no_votes(
    client, study_made, tmp_path, monkeypatch, capsys
):
    given = begin(client).json()
    send(client, given["session"], answers(given["ballots"]))
    settings = params.load(ROOT / "params.yaml")
    study = replace(settings.study, folder=str(study_made[0]), collected=str(tmp_path))
    monkeypatch.setattr(params, "load", lambda: replace(settings, study=study))
    assert main(["study", "raters"]) == 0
    assert capsys.readouterr().out.split()[:2] == [ID, str(len(given["ballots"]))]
    assert main(["study", "ban", ID, "nobody"]) == 1
    assert capsys.readouterr().out.splitlines() == [f"{ID}: banned", "nobody: no such person"]
    assert main(["study", "ban", ID]) == 0  # a repeat
    assert table(study_made, tmp_path).empty
    refused = begin(client)  # not as after a withdrawal, where the page begins anew
    assert (refused.status_code, refused.json()["reason"]) == (403, "banned")


def test_rates_are_limited(study_made, tmp_path):
    with served(study_made, tmp_path, raters_hourly=5, per_address_hourly=1) as client:
        assert begin(client).is_success
        refused = begin(client, OTHER)  # a fifth of 5 may come at once
        assert (refused.status_code, refused.json()["reason"]) == (429, "rate")
        assert refused.headers["retry-after"]
        assert begin(client).is_success  # who has begun may go on
        codes = [client.post("/study/votes", json={}).status_code for _ in range(12)]
        assert codes[-1] == 429  # a fifth of 60 requests


def test_a_database_that_is_gone_is_answered_with_try_again(client, tmp_path):
    given = begin(client).json()
    with closing(sqlite3.connect(tmp_path / "collection.sqlite")) as database:
        database.execute("DROP TABLE votes")
    answer = send(client, given["session"], answers(given["ballots"][:1]))
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    assert str(tmp_path) not in answer.text


def test_a_study_that_is_replaced_takes_no_more_votes_and_shows_no_crops(study_made, tmp_path):
    place, former = tmp_path / "study", tmp_path / "former"
    shutil.copytree(study_made[0], place)
    with served((place, study_made[1]), tmp_path) as client:
        given = begin(client).json()
        ballots, name = answers(given["ballots"]), given["ballots"][1]["crops"][0]

        def try_all():
            answers_ = [
                client.get(f"/study/crops/{ID}/{name}.jpg"),
                send(client, given["session"], ballots[1:2]),
                begin(client),
                begin(client, OTHER),
            ]
            return [(one.status_code, one.headers.get("x-reason")) for one in answers_]

        assert send(client, given["session"], ballots[:1]).json() == {"new": 1}
        place.rename(former)
        assert try_all() == [(503, "no_study")] * 4  # the page tries again
        assert begin(client).json()["detail"].startswith("the study is not there at the moment")
        shutil.copytree(former, place)
        key = place / "key.json"
        key.write_text(key.read_text().replace(study_made[1].id, "0" * 16))
        assert try_all() == [(410, "ended")] * 4
        key.write_text(key.read_text().replace('"version": 2', '"version": 3'))
        assert try_all() == [(410, "ended")] * 4
        (place / "key.json").unlink()
        assert table((former, study_made[1]), tmp_path)["place"].unique().tolist() == [0]
        assert begin(client).headers["x-reason"] == "no_study"
        shutil.copytree(former, place, dirs_exist_ok=True)
        assert [status for status, _ in try_all()] == [200] * 4


def test_a_study_that_has_taken_the_place_of_another_is_read_once(
    study_made, tmp_path, monkeypatch
):
    place = tmp_path / "study"
    shutil.copytree(study_made[0], place)
    with served((place, study_made[1]), tmp_path) as client:
        given = begin(client).json()
        replace_study(place)
        read, reads = type(place).read_text, []
        monkeypatch.setattr(
            type(place), "read_text", lambda file, **kind: reads.append(file) or read(file, **kind)
        )
        for name in given["ballots"][0]["crops"] * 3:
            assert client.get(f"/study/crops/{ID}/{name}.jpg").status_code == 410
        assert reads == [place / "key.json"]


def test_a_study_that_is_replaced_while_its_server_starts_is_not_taken_for_it(
    study_made, tmp_path, monkeypatch
):
    place, prepare = tmp_path / "study", service.migrate.prepare
    shutil.copytree(study_made[0], place)
    monkeypatch.setattr(
        service.migrate, "prepare", lambda opened: (replace_study(place), prepare(opened))
    )
    with served((place, study_made[1]), tmp_path) as client:
        assert begin(client).headers["x-reason"] == "ended"


def test_nothing_about_a_crop_says_whose_it_is_but_its_own_shape(client, study_made):
    given = begin(client).json()
    design, by_name = study_made[1].design[given["session"]], study_made[1].by_name
    headers, names = set(), []
    for place, each in enumerate(given["ballots"][:24]):
        ballot = design[place]
        for cropper, name in zip(ballot.shown, each["crops"], strict=True):
            answer = client.get(f"/study/crops/{ID}/{name}.jpg")
            names.append(name)
            own = {"date", "content-length"}
            headers.add(tuple(sorted((k, v) for k, v in answer.headers.items() if k not in own)))
            with Image.open(io.BytesIO(answer.content)) as image:
                top, left, bottom, right, _ = by_name[ballot.photo].limits[cropper]
                shape = (right - left) * by_name[ballot.photo].aspect / (bottom - top)
                assert image.width == pytest.approx(folder.HEIGHT * shape, abs=2)
                assert image.height == folder.HEIGHT
                assert set(image.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
                assert (image.quantization, image.layers) == (
                    {0: image.quantization[0], 1: image.quantization[1]},
                    3,
                )
    assert len(headers) == 1
    assert len(set(names)) == len(names)  # a crop that is shown again has another name
    told = json.dumps(given)
    for word in ("human", "cnn", "random", "spoiled", "catch", "repeat", "photo ", "plain"):
        assert word not in told


def test_addresses_of_crops_cannot_be_guessed(client):
    mine, theirs = begin(client).json(), begin(client, OTHER).json()
    name = mine["ballots"][0]["crops"][0]
    assert client.get(f"/study/crops/{ID}/{name}.jpg").is_success
    place, token = name.rsplit("-", 1)
    for address in (
        f"{OTHER}/{name}",
        f"{ID}/{theirs['ballots'][0]['crops'][0]}",
        f"{ID}/{place[:-1]}1-{token}",
        f"{ID}/{place}-{'0' * 32}",
        f"{ID}/9999-9999-0-{token}",
        f"{ID}/..%2f..%2fkey",
    ):
        assert client.get(f"/study/crops/{address}.jpg").status_code == 404, address
    assert client.get("/study/key.json").status_code == 404


def test_files_and_the_server_give_the_same_estimates_for_the_same_votes(study_made, tmp_path):
    own = (tmp_path / "study", study_made[1])
    shutil.copytree(study_made[0], own[0])
    files, texts = [], ("left", "right", "neither", "left")
    with served(study_made, tmp_path / "collection") as client:
        for number, text in enumerate(texts):
            rater = f"{number:032}"
            given = begin(client, rater).json()
            votes = answers(given["ballots"], text, "213" if number else "1")
            assert send(client, given["session"], votes, rater).is_success
            ballots = folder.session_content(own[1], given["session"])["ballots"]
            content = {"study": own[1].id, "rater": rater, "session": given["session"]}
            content["votes"] = answers(ballots, text, "213" if number else "1")
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(json.dumps(content))
    assert returned.import_files(files, own[0]).rejected == []
    by_file = collect.read_table(own[0]).table
    by_server = table(study_made, tmp_path / "collection")
    assert len(by_file.drop_duplicates(["rater", "place"])) == 4 * 60
    pd.testing.assert_frame_equal(by_file, by_server)
    assert findings.summarise(by_file, 0.95) == findings.summarise(by_server, 0.95)


def test_three_people_vote_in_browsers(browser, client, study_made, tmp_path):
    address = f"{str(client.base_url).rstrip('/')}/study"
    phone = {"viewport": PHONE, "has_touch": True}
    with window(browser) as one, window(browser, **phone) as two, window(browser) as three:
        asked, pages = [], (one, two, three)
        three.on("request", lambda request: asked.append(request.url))
        for page in pages:
            page.goto(address)
            page.click("#begin")
        vote(one, 20, by_key)
        one.reload()
        one.wait_for_selector("#start:not([hidden])")
        assert "20 times" in one.locator("#extent").text_content()
        one.click("#begin")
        vote(one, 40, by_key)
        two.wait_for_selector("html[data-loaded]")
        vote(two, 10, by_touch)
        two.context.set_offline(True)
        vote(two, 50, by_touch)
        assert "not sent yet" in two.locator("#result").text_content()
        two.context.set_offline(False)
        vote(three, 60, by_key)
        for page in pages:
            page.wait_for_selector('html[data-sent="60"]')
            page.wait_for_selector("#liked li")
        assert three.evaluate(_VOTE_AGAIN) == {"new": 0}
        votes = table(study_made, tmp_path)
        assert votes.groupby("rater")["place"].nunique().tolist() == [60, 60, 60]
        like_left = votes[votes["answer"] == "left"].groupby("rater")["place"].nunique()
        # who touched the second has it first only in rankings
        assert sorted(like_left) == [6, 60, 60]
        assert all(url.startswith(address) or url == "data:," for url in asked)
        three.on("dialog", lambda asked: asked.accept())
        three.locator("#thanks .withdraw").click()
        three.wait_for_selector("#start:not([hidden])")
        assert table(study_made, tmp_path)["rater"].nunique() == 2


def test_who_withdrew_without_hearing_the_answer_can_begin_anew(page, client):
    page.goto(f"{client.base_url}/study/")
    page.click("#begin")
    vote(page, 1, by_key)
    page.wait_for_selector('html[data-sent="1"]')
    (kept,) = page.evaluate("Object.values(localStorage)")
    who = {"id": json.loads(kept)["rater"], "receipt": json.loads(kept)["receipt"]}
    assert client.post("/study/withdrawals", json=who).is_success
    page.reload()
    page.wait_for_selector("#start:not([hidden])")
    assert page.locator("#extent").text_content().startswith("There are 60 votes")


def test_who_is_banned_is_told_and_does_not_begin_anew(page, client, study_made, tmp_path):
    page.goto(f"{client.base_url}/study/")
    page.click("#begin")
    vote(page, 1, by_key)
    page.wait_for_selector('html[data-sent="1"]')
    kept = page.evaluate("Object.values(localStorage)")
    (rater,) = set(table(study_made, tmp_path)["rater"])
    assert voting.ban([rater], study_made[0], str(tmp_path)) == {rater}
    page.reload()
    page.wait_for_selector("#problem:not(:empty)")
    assert page.locator("#problem").text_content() == "No more votes are taken from this browser."
    assert page.locator("#start").is_hidden()
    assert page.evaluate("Object.values(localStorage)") == kept


def test_who_comes_to_a_full_study_is_told_once(page, study_made, tmp_path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    with served(study_made, tmp_path, max_raters=1) as client:
        begin(client)
        page.goto(f"{client.base_url}/study/")
        page.wait_for_selector("#problem:not(:empty)")
        assert "takes no more people" in page.locator("#problem").text_content()
        page.clock.run_for(30_000)
    assert sum(url.endswith("/sessions") for url in asked) == 1


def test_who_votes_on_a_study_that_is_over_is_told_once_what_was_not_counted(
    page, study_made, tmp_path
):
    place, asked = tmp_path / "study", []
    shutil.copytree(study_made[0], place)
    page.clock.install()
    with served((place, study_made[1]), tmp_path) as client:
        page.goto(f"{client.base_url}/study/")
        page.click("#begin")
        page.wait_for_selector("html[data-loaded]")
        vote(page, 2, by_key)
        page.wait_for_selector('html[data-sent="2"]')
        replace_study(place)
        vote(page, 1, by_key)
        page.wait_for_selector("#over:not([hidden])")
        told = (
            "Another study has taken its place. "
            "Votes that had not been sent were not counted: 1 of your 3."
        )
        assert page.locator("#uncounted").text_content() == told
        page.on("request", lambda request: asked.append(request.url))
        page.clock.run_for(30_000)
        page.keyboard.press("1")
        assert asked == []
        page.reload()
        page.wait_for_selector("#over:not([hidden])")
        assert page.locator("#uncounted").text_content() == told
        assert page.locator("#problem").text_content() == ""
        page.on("dialog", lambda question: question.accept())
        page.click("#over .withdraw")
        page.wait_for_selector("#uncounted:text-is('Another study has taken its place.')")
        assert table(study_made, tmp_path).empty


def test_whose_pictures_are_gone_is_told_why(page, study_made, tmp_path):
    place, former = tmp_path / "study", tmp_path / "former"
    shutil.copytree(study_made[0], place)
    with served((place, study_made[1]), tmp_path) as client:
        page.goto(f"{client.base_url}/study/")
        page.wait_for_selector("#start:not([hidden])")
        place.rename(former)
        page.click("#begin")
        page.wait_for_selector("#problem:text('The study is not on the server at the moment.')")
        shutil.copytree(former, tmp_path / "other")
        replace_study(tmp_path / "other")
        (tmp_path / "other").rename(place)  # at once: the page may ask at any moment
        page.wait_for_selector("#over:not([hidden])")  # it tried again


def test_a_tab_from_before_a_new_study_is_told_to_reload(page, client, study_made, tmp_path):
    place = tmp_path / "study"
    shutil.copytree(study_made[0], place)
    replace_study(place)
    page.goto(f"{client.base_url}/study/")
    page.click("#begin")
    page.wait_for_selector("html[data-loaded]")
    with served((place, study_made[1]), tmp_path / "new") as new:

        def answer(route):  # as if the server had been started again, at the same address
            kind = {"Content-Type": "application/json"}
            found = new.post("/study/votes", content=route.request.post_data, headers=kind)
            route.fulfill(status=found.status_code, json=found.json())

        page.route("**/study/votes", answer)
        vote(page, 1, by_key)
        page.wait_for_selector("#over:not([hidden])")
        told = page.locator("#uncounted").text_content()
        assert told.endswith("1 of your 1. To take part in the new study, reload the page.")


_VOTE_AGAIN = """async () => {
  const { rater, session, votes } = JSON.parse(Object.values(localStorage)[0]);
  const other = votes.map((each) => ({ ...each, answer: each.answer === "left" ? "right" : "1" }));
  const wrong = other.filter((each, i) => votes[i].answer === "left");
  const response = await fetch("votes", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ rater, session, votes: wrong }),
  });
  return response.json();
}"""
