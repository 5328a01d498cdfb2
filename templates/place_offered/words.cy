what = Cynnig lle
lead = {{^booking.is_for_other}}Gallwn gynnig lle i chi ar y cwrs hwn.{{/booking.is_for_other}}{{#booking.is_for_other}}Gallwn gynnig lle ar y cwrs hwn ar gyfer {{booking.delegate_name}}.{{/booking.is_for_other}}
how = I'w dderbyn, mewngofnodwch i'r wefan lle gwnaethoch ofyn amdano{{#tenant.name}}, neu cysylltwch â'r trefnwyr: {{tenant.name}}{{/tenant.name}}.
accept_by = Derbyniwch y lle erbyn
accept = Derbyn eich lle: {{title}}
next = Nid yw'r lle'n eiddo i chi nes i chi ei dderbyn.{{#booking.offer_expires}} Os na fyddwch yn ei dderbyn mewn pryd, gallwn ei gynnig i rywun arall.{{/booking.offer_expires}}
why = Rydych yn cael yr e-bost hwn {{^booking.is_for_other}}am eich bod yn aros am le ar y cwrs hwn{{/booking.is_for_other}}{{#booking.is_for_other}}am mai chi a wnaeth yr archeb hon{{/booking.is_for_other}}.
