export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main one && cd one || exit 1
for i in $(seq 1 60); do
  seq "$i" $((i * 40)) >"file$((i % 7))"
  git add -A && git commit -qm "step $i" || exit 1
done
cd .. && git clone -q one two && cd two && git gc -q && git fsck && git log --stat | cksum && git log --oneline | tail -n 3
