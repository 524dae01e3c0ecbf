module altostack/tools/apidata

go 1.26.8
