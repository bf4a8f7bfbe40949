# Python's own tests; the times that it prints are left out.
/usr/bin/python3 -m test -q test_list test_dict test_json test_threading test_gc test_re 2>&1 | grep -E '^(Tests result|test_.* (failed|crashed|skipped)|[0-9]+ tests?)'
exit "${PIPESTATUS[0]}"
