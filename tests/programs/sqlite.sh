sqlite3 out/t.db <<'END'
pragma journal_mode=off;
create table t(id integer primary key, name text, n integer);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 300000)
  insert into t select i, 'name ' || (i * 7919 % 100003), i * 31 % 1009 from c;
create index by_name on t(name);
create index by_n on t(n, name);
select n, count(*), min(name), max(name) from t group by n order by n limit 10;
delete from t where id % 3 = 0;
vacuum;
pragma integrity_check;
select count(*), sum(n) from t where name between 'name 5' and 'name 7';
END
