"""The server that tests of databases run on."""

import asyncio

import asyncpg
import pytest

from tests.postgres import Postgres


def said(address, question):
    async def ask():
        connection = await asyncpg.connect(address.replace("+asyncpg", ""))
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_each_database_is_a_new_one(postgres):
    one, other = postgres.database(driver="asyncpg"), postgres.database(driver="asyncpg")
    said(one, "create table t (x int)")
    assert said(one, "select count(*) from t") == 0
    with pytest.raises(asyncpg.UndefinedTableError):
        said(other, "select count(*) from t")


def test_what_was_committed_outlives_a_server_that_is_killed():
    with Postgres.started() as server:
        address = server.database(driver="asyncpg")
        said(address, "create table t as select 7 as x")
        server.kill()
        with pytest.raises(OSError, match=r"refused|Connect"):
            said(address, "select x from t")
        server.start()
        assert said(address, "select x from t") == 7
