"""What the documents say can be typed: every block of SQL in them is run, in order, against the stand-in."""

import re
import subprocess

import pytest
from cluster import ROOT

KEYS = ["sk_test_sandbox0000000000000001", "sk_live_7eC39HqLyjWDarjtT1zdp7dc"]


def blocks(path):
    return re.findall(r"^```sql\n(.*?)^```", (ROOT / path).read_text(), re.M | re.S)


def for_the_stand_in(text, base_url):
    """Sends a block's requests to the stand-in: what stands for a key, and the guide's own example of one."""
    text = text.replace("http://127.0.0.1:8900", base_url)
    text = text.replace('"secret": "sk_test_..."', f'"secret": "{KEYS[0]}", "base_url": "{base_url}"')
    return text.replace(f'"access_token": "{KEYS[1]}"', f'"access_token": "{KEYS[1]}", "base_url": "{base_url}"')


@pytest.mark.parametrize("path", ["README.md", "doc/sql.md", "doc/operations.md"])
def test_every_block_of_sql_runs(db, start_sandbox, path):
    sandbox = start_sandbox("stripe", "--key", KEYS[0], "--key", KEYS[1], "--load", 60)
    sandbox.admin("load", collection="world", count=20, account=KEYS[1])
    found = blocks(path)
    assert found
    script = "\n".join(for_the_stand_in(block, sandbox.base_url) for block in found)
    for call in re.findall(r"create_credential\(|\"credential\":", script):
        assert script.count(sandbox.base_url) >= script.count(call), "a credential would reach the real API"
    if "CREATE EXTENSION" in script:
        db.execute("drop extension sequin")
    cluster = db.cluster
    done = subprocess.run(
        [cluster.bin / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-P", "pager=off", "-a", "-h", cluster.host, "-p",
         str(cluster.port), "-U", "postgres", "-d", db.name],
        input=script, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:]


def test_every_public_function_and_view_is_in_the_reference(db):
    text = (ROOT / "doc/sql.md").read_text()
    names = [name for (name,) in db.all(
        "select distinct proname from pg_proc where pronamespace = 'sequin'::regnamespace and proname not like '\\_%%'"
        " union select relname from pg_class where relnamespace = 'sequin'::regnamespace and relkind = 'v'"
        " and relname not like '\\_%%'")]
    assert [name for name in names if f"`{name}" not in text and f"`sequin.{name}" not in text] == []


def test_every_health_code_is_explained():
    text = (ROOT / "doc/operations.md").read_text()
    health = text[text.index("## Health"):]
    sources = "\n".join(path.read_text() for path in (ROOT / "src").glob("*/*.cpp"))
    codes = set(re.findall(r'"(?:warn|error)",\s*"([a-z_]+)",\s*"?[A-Z]', sources))
    codes |= set(re.findall(r'failed\(\s*(?:ErrorClass::)?k\w+,\s*"([a-z_]+)"', sources))
    codes |= set(re.findall(r'verdict\.code = "([a-z_]+)"', sources))
    sql = "\n".join(path.read_text() for path in (ROOT / "sql/parts").glob("*.sql"))
    codes |= set(re.findall(r"SELECT '(?:error|warn)',\s*'([a-z_]+)'", sql))
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"`{code}`" not in health] == []
