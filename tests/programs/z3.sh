cat >a.smt2 <<'END'
(set-logic QF_BV)
(declare-const a (_ BitVec 20))
(declare-const b (_ BitVec 20))
(assert (= (bvmul a b) #xbeef1))
(assert (bvugt a #x00001))
(assert (bvugt b a))
(check-sat)
END
{
  echo '(set-logic QF_LIA)'
  for i in 1 2 3 4 5 6 7 8; do
    echo "(declare-const q$i Int)(assert (and (<= 1 q$i) (<= q$i 8)))"
    for j in $(seq 1 $((i - 1))); do
      echo "(assert (and (distinct q$i q$j) (distinct (- q$i q$j) $((i - j))) (distinct (- q$j q$i) $((i - j)))))"
    done
  done
  echo '(check-sat)'
} >queens.smt2
z3 a.smt2 && z3 queens.smt2
