import re
from contextlib import contextmanager
from functools import cache

import pytest
from sent_photos import crop, jpeg, text
from servers import serving
from web_pages import axe_violations

from cropperhead.collection import migrate, sent, uploads
from cropperhead.collection.settings import CONSENT, open_collection
from cropperhead.errors import ParamsError
from cropperhead.web import app, moderation

PASSWORD = "correct horse battery"


@cache
def hashed():
    return moderation.hash_password(PASSWORD)


@contextmanager
def moderating(folder):
    opened = open_collection(str(folder))
    migrate.prepare(opened)
    password = moderation.Password(hashed())
    page = app.PageSettings(routers=[moderation.make_router(opened, password)])
    with serving(app.create_app(page)) as client:
        client.collection = opened
        yield client
    opened.database.close()


@pytest.fixture
def client(tmp_path):
    with moderating(tmp_path) as found:
        yield found


@pytest.fixture
def moderator(client):
    assert client.post("/moderate/login", data={"password": PASSWORD}).status_code == 303
    return client


def send(client, **changes):
    one, upload = sent.parse_crop(text(**changes)), uploads.check_upload(jpeg(200, 100))
    client.collection.store(upload, one, CONSENT)
    return one, upload


def violations_by_scheme(page):
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found[scheme] = axe_violations(page)
    return found


def statuses(client):
    return {row["id"]: row["status"] for row in client.collection.list_crops()}


def test_strangers_see_nothing_but_a_form_for_the_password(client):
    one, upload = send(client)
    page = client.get("/moderate")
    assert 'type="password"' in page.text
    assert one.id not in page.text
    assert client.get(f"/moderate/photos/{upload.sha256}.jpg").status_code == 403
    client.post("/moderate/crops", data={"action": f"accept {one.id}"})
    assert statuses(client) == {one.id: "new"}


def test_a_wrong_password_opens_nothing_and_may_be_tried_a_few_times(client):
    codes = [client.post("/moderate/login", data={"password": "x"}).status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]
    assert client.post("/moderate/login", data={"password": PASSWORD}).status_code == 429


def test_the_session_s_cookie_is_for_this_page_and_no_script(client):
    answer = client.post("/moderate/login", data={"password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/moderate", "Max-Age=43200"):
        assert part in cookie
    behind_tls = client.post(
        "/moderate/login", data={"password": PASSWORD}, headers={"x-forwarded-proto": "https"}
    )
    assert "Secure" in behind_tls.headers["set-cookie"]


def test_moderators_see_each_crop_on_its_photo(moderator):
    # of 200 x 100 px, half of each side from a tenth on
    one, upload = send(moderator, crop=crop(0.1, 0.1, 0.6, 0.6))
    page = moderator.get("/moderate").text
    assert 'class="crop" points="20.0,10.0 120.0,10.0 120.0,60.0 20.0,60.0"' in page
    assert f"/moderate/photos/{upload.sha256}.jpg" in page
    photo = moderator.get(f"/moderate/photos/{upload.sha256}.jpg")
    assert (photo.headers["content-type"], photo.content) == ("image/jpeg", upload.jpeg)
    assert one.author[:12] in page
    assert one.author not in page


def test_a_browser_logs_in_and_accepts(page, client):
    one, other = (send(client)[0].id for _ in range(2))
    page.goto(f"{client.base_url}/moderate")
    page.fill("#password", "a wrong password")
    page.click("text=Log in")
    page.wait_for_selector("[role=alert]")
    assert violations_by_scheme(page) == {"light": [], "dark": []}
    page.fill("#password", PASSWORD)
    page.click("text=Log in")
    page.wait_for_selector("li svg image")
    assert violations_by_scheme(page) == {"light": [], "dark": []}
    page.click(f"button[value='accept {one}']")
    page.wait_for_selector("text=Accepted (1)")
    assert statuses(client) == {one: "accepted", other: "new"}


def test_moderators_accept_reject_and_take_it_back(moderator):
    one, other = (send(moderator)[0].id for _ in range(2))
    moderator.post("/moderate/crops", data={"action": f"accept {one}", "id": [one, other]})
    assert statuses(moderator) == {one: "accepted", other: "new"}
    moderator.post("/moderate/crops", data={"action": "reject", "id": [one, other]})
    assert statuses(moderator) == {one: "rejected", other: "rejected"}
    assert one in moderator.get("/moderate?status=rejected").text


def test_banning_rejects_all_of_a_sender(moderator):
    ids = [send(moderator, sender="01" * 16)[0].id for _ in range(2)]
    moderator.post("/moderate/crops", data={"action": f"ban {ids[0]}"})
    assert statuses(moderator) == dict.fromkeys(ids, "rejected")


def test_after_logging_out_a_session_is_over(moderator):
    cookie = moderator.cookies["cropperhead_moderation"]
    moderator.post("/moderate/logout")
    moderator.cookies.set("cropperhead_moderation", cookie, path="/moderate")
    assert 'type="password"' in moderator.get("/moderate").text


def test_a_page_of_another_site_cannot_decide(moderator):
    one, _ = send(moderator)
    answer = moderator.post(
        "/moderate/crops",
        data={"action": f"accept {one.id}"},
        headers={"origin": "https://elsewhere.example"},
    )
    assert answer.status_code == 403
    assert statuses(moderator) == {one.id: "new"}


def test_the_page_runs_no_script_and_sends_forms_to_itself_alone(moderator):
    policy = moderator.get("/moderate").headers["content-security-policy"]
    assert "script-src" not in policy
    assert re.findall(r"form-action (\S+);", policy) == ["'self'"]
    assert moderator.get("/moderate/style.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("action", ["", "explode", "ban", "accept "])
def test_what_asks_for_nothing_changes_nothing(moderator, action):
    one, _ = send(moderator)
    answer = moderator.post("/moderate/crops", data={"action": action})
    assert answer.status_code in {303, 422}
    assert statuses(moderator) == {one.id: "new"}


@pytest.mark.parametrize("name", ["..%2f..%2fcollection.sqlite", "0" * 64, "x"])
def test_only_photos_of_the_collection_are_shown(moderator, name):
    assert moderator.get(f"/moderate/photos/{name}.jpg").status_code == 404


def test_sessions_end_after_half_a_day():
    now = [0.0]
    sessions = moderation.Sessions(lambda: now[0])
    token = sessions.begin()
    now[0] = 43_199
    assert sessions.is_valid(token)
    now[0] = 43_200
    assert not sessions.is_valid(token)
    assert not sessions.is_valid(None)


def test_passwords_are_read_from_the_environment_as_text_or_as_hash():
    assert moderation.read_password({}) is None
    hashed = moderation.hash_password(PASSWORD)
    assert PASSWORD not in hashed
    read = moderation.read_password({"CROPPERHEAD_MODERATION_PASSWORD_HASH": hashed})
    assert read.matches(PASSWORD)
    assert not read.matches(PASSWORD + " ")
    with pytest.raises(ParamsError, match="at least 12 letters"):
        moderation.read_password({"CROPPERHEAD_MODERATION_PASSWORD": "short"})
    with pytest.raises(ParamsError, match="not an Argon2 hash"):
        moderation.read_password({"CROPPERHEAD_MODERATION_PASSWORD_HASH": "$2b$12$x"})
