what = Archeb wedi'i chadarnhau
lead = {{^booking.is_for_other}}Mae gennych le ar y cwrs hwn.{{/booking.is_for_other}}{{#booking.is_for_other}}Mae lle ar y cwrs hwn wedi'i gadarnhau ar gyfer {{booking.delegate_name}}.{{/booking.is_for_other}}
next = Byddwn yn anfon cyfarwyddiadau ymuno cyn i'r cwrs ddechrau.
why = Rydych yn cael yr e-bost hwn {{^booking.is_for_other}}am fod gennych le ar y cwrs hwn{{/booking.is_for_other}}{{#booking.is_for_other}}am mai chi a archebodd y lle hwn{{/booking.is_for_other}}.
