what = Cyfarwyddiadau ymuno
lead = Dyma'r hyn sydd ei angen arnoch ar gyfer y cwrs hwn.
