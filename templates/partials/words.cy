# Yr hyn y mae rhannau cyffredin yr e-byst yn ei ddweud yn Gymraeg.
# Names and titles stand where Welsh mutates nothing: behind a colon or "ar gyfer".

greeting = Helo{{#greeting_name}} {{greeting_name}}{{/greeting_name}},

for_whom = {{#for_whom}} (ar gyfer {{for_whom}}){{/for_whom}}
on_day = {{#course.first_short_day}}, {{course.first_short_day}}{{/course.first_short_day}}

when = Pryd
no_date = Dim dyddiad eto
where = Ble
session = Sesiwn {{number}}
online = Ar-lein
also_online = Hefyd ar-lein
cost = Cost
reference = Cyfeirnod yr archeb

to_know = Beth sydd angen i chi ei wybod
arrival = Cyrraedd y lleoliad
bring = Beth i ddod gyda chi
resources = Deunyddiau'r cwrs
contact = Â phwy i gysylltu
access = Anghenion hygyrchedd
cannot_come = Os na allwch ddod
cancel_by = Canslo erbyn: {{cancel_by}}.
how_to_cancel = I ganslo, mewngofnodwch i'r wefan lle gwnaethoch archebu{{#tenant.name}}, neu cysylltwch â'r trefnwyr: {{tenant.name}}{{/tenant.name}}.
course_page = Tudalen y cwrs: {{title}}
calendar = {{^has_many_calendars}}Mae cofnod calendr wedi'i atodi. Agorwch ef i ddiweddaru eich calendr.{{/has_many_calendars}}{{#has_many_calendars}}Mae cofnodion calendr wedi'u hatodi. Agorwch bob un i ddiweddaru eich calendr.{{/has_many_calendars}}

join = Ymuno ar-lein: {{title}}
join_session = Ymuno ar-lein: sesiwn {{number}}
join_own = Ymuno drwy eich dolen eich hun: {{title}}
own_link = I chi yn unig y mae'r ddolen hon. Peidiwch â'i rhannu, os gwelwch yn dda.

tell_them = Gwnewch yn siŵr eu bod yn gwybod, os gwelwch yn dda.

why_place = Rydych yn cael yr e-bost hwn am fod gennych le ar y cwrs hwn.
why_request = Rydych yn cael yr e-bost hwn {{^booking.is_for_other}}am eich bod wedi gofyn am le ar y cwrs hwn{{/booking.is_for_other}}{{#booking.is_for_other}}am mai chi a wnaeth y cais hwn{{/booking.is_for_other}}.
why_role = Rydych yn cael yr e-bost hwn {{#is_delegate}}am eich bod wedi archebu'r cwrs hwn neu wedi gofyn am le arno{{/is_delegate}}{{^is_delegate}}{{#is_booker}}am mai chi a archebodd y cwrs hwn ar ran rhywun arall{{/is_booker}}{{^is_booker}}{{#is_tutor}}am mai chi sy'n cyflwyno'r cwrs hwn{{/is_tutor}}{{^is_tutor}}am mai eich sefydliad chi sy'n darparu'r cwrs hwn{{/is_tutor}}{{/is_booker}}{{/is_delegate}}.

stop = {{#stops_alerts}}Dad-danysgrifio o hysbysiadau am gyrsiau{{/stops_alerts}}{{#stops_bulletin}}Dad-danysgrifio o'r bwletin{{/stops_bulletin}}{{^stops_alerts}}{{^stops_bulletin}}Dad-danysgrifio o bob e-bost dewisol{{/stops_bulletin}}{{/stops_alerts}}
goes_on = Byddwch yn dal i gael e-byst am gyrsiau rydych wedi'u harchebu.
sent_by = Anfonwyd gan: {{tenant.name}}
privacy = Sut rydym yn defnyddio eich manylion
data_protection = Diogelu data: {{tenant.dpo_contact}}
