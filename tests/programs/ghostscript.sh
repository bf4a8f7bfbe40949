cat >a.ps <<'END'
%!PS
/Times-Roman findfont 12 scalefont setfont
1 1 30 { /page exch def
  1 1 40 { /row exch def 72 row 17 mul moveto (Page ) show page 8 string cvs show ( row ) show row 8 string cvs show
    row 40 div 0 page 30 div setrgbcolor 300 row 17 mul 100 page 3 mul add 9 rectfill } for
  showpage } for
END
gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -sOutputFile=a.pdf a.ps &&
  gs -q -dNOPAUSE -dBATCH -r50 -sDEVICE=ppmraw -sOutputFile=out/page%d.ppm a.pdf
