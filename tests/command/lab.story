= header  . free  : where a free entry begins behind another  A B C an allocation each

1. Splitting. A heap of 30 bytes has ten in use in the middle. Its free list has two entries. A request for more
than 10 bytes must fail. A request for 1 byte is served from the first entry, which is split: one byte is handed
out, nine stay in the list.

a heap of 30 bytes: free | used | free
0 |....................AAAAAAAAAAAAAAAAAAAA....................| 30
head -> {address: 0, length: 10} -> {address: 20, length: 10} -> NULL

alloc(1) = 0
0 |BB..................AAAAAAAAAAAAAAAAAAAA....................| 30
head -> {address: 1, length: 9} -> {address: 20, length: 10} -> NULL

2. The middle is given back. The list now has three entries of 10 bytes. All 30 bytes are free, and still a request
for 20 is refused: no entry is large enough. That is external fragmentation.

a heap of 30 bytes: free | used | free
0 |....................AAAAAAAAAAAAAAAAAAAA....................| 30
head -> {address: 0, length: 10} -> {address: 20, length: 10} -> NULL

free(10)
0 |....................:...................:...................| 30
head -> {address: 0, length: 10} -> {address: 10, length: 10} -> {address: 20, length: 10} -> NULL

alloc(20): FH_FRAGMENTED. Free in total: 30. Largest request that would fit: 10
0 |....................:...................:...................| 30
head -> {address: 0, length: 10} -> {address: 10, length: 10} -> {address: 20, length: 10} -> NULL

3. Coalescing. An entry that begins where the one before it ends is joined to it. One pass along the list:

coalesced
0 |............................................................| 30
head -> {address: 0, length: 30} -> NULL

alloc(20) = 0
0 |CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC....................| 30
head -> {address: 20, length: 10} -> NULL

A range that coalesces by itself, at each free, never comes into that position:

a heap of 30 bytes: free | used | free
0 |....................DDDDDDDDDDDDDDDDDDDD....................| 30
head -> {address: 0, length: 10} -> {address: 20, length: 10} -> NULL

free(10)
0 |............................................................| 30
head -> {address: 0, length: 30} -> NULL

4. Headers. free(p) is not told a size, so the size stands in a header in front of each allocation. With a header of
4 bytes a request for 10 looks for 14, and the address that is answered lies behind the header (=).

a heap of 30 bytes with headers of 4
0 |............................................................| 30
head -> {address: 0, length: 30} -> NULL

alloc(10) = 4
0 |========EEEEEEEEEEEEEEEEEEEE................................| 30
head -> {address: 14, length: 16} -> NULL

alloc(12) = 18
0 |========EEEEEEEEEEEEEEEEEEEE========FFFFFFFFFFFFFFFFFFFFFFFF| 30
head -> NULL

free(4)
0 |............................========FFFFFFFFFFFFFFFFFFFFFFFF| 30
head -> {address: 0, length: 14} -> NULL

5. Growing. When nothing fits, the heap asks for more at its end; what is new joins the free bytes before it.

alloc(15): FH_EXHAUSTED. Free in total: 14. Largest request that would fit: 10
0 |............................========FFFFFFFFFFFFFFFFFFFFFFFF| 30
head -> {address: 0, length: 14} -> NULL

grown by 20 bytes
0 |............................========FFFFFFFFFFFFFFFFFFFFFFFF........................................| 50
head -> {address: 0, length: 14} -> {address: 30, length: 20} -> NULL

alloc(15) = 34
0 |............................========FFFFFFFFFFFFFFFFFFFFFFFF========GGGGGGGGGGGGGGGGGGGGGGGGGGGGGG..| 50
head -> {address: 0, length: 14} -> {address: 49, length: 1} -> NULL

