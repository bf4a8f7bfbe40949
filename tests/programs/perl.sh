perl -e 'my %h; for my $i (1..300000) { $h{"k".($i % 70000)} .= sprintf("%x,", $i * 7919 % 65536); }
my $n = 0; for my $k (sort { length($h{$b}) <=> length($h{$a}) || $a cmp $b } keys %h) { last if $n++ > 20; (my $v = $h{$k}) =~ s/[a-f]+/#/g; print "$k $v\n"; }'
