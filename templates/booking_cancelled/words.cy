what = Archeb wedi'i chanslo
lead = {{^booking.is_for_other}}Mae eich archeb wedi'i chanslo. Nid oes gennych le ar y cwrs hwn.{{/booking.is_for_other}}{{#booking.is_for_other}}Mae'r archeb ar gyfer {{booking.delegate_name}} wedi'i chanslo.{{/booking.is_for_other}}
next = Os nad oeddech yn disgwyl hyn, cysylltwch â ni, os gwelwch yn dda.
why = Rydych yn cael yr e-bost hwn {{^booking.is_for_other}}am eich bod wedi archebu'r cwrs hwn{{/booking.is_for_other}}{{#booking.is_for_other}}am mai chi a wnaeth yr archeb hon{{/booking.is_for_other}}.
