what = Cais wedi'i wrthod
lead = {{^booking.is_for_other}}Mae eich cais am le ar y cwrs hwn wedi'i wrthod. Nid oes gennych le.{{/booking.is_for_other}}{{#booking.is_for_other}}Mae'r cais am le ar y cwrs hwn wedi'i wrthod ar gyfer {{booking.delegate_name}}.{{/booking.is_for_other}}
next = Os hoffech wybod pam, cysylltwch â {{#course.contact}}ni drwy'r manylion isod{{/course.contact}}{{^course.contact}}threfnwyr y cwrs{{/course.contact}}, os gwelwch yn dda.
