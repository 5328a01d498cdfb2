what = Cais wedi'i gymeradwyo
lead = {{^booking.is_for_other}}Mae eich cais am le ar y cwrs hwn wedi'i gymeradwyo.{{/booking.is_for_other}}{{#booking.is_for_other}}Mae'r cais am le ar y cwrs hwn wedi'i gymeradwyo ar gyfer {{booking.delegate_name}}.{{/booking.is_for_other}}
next = Nid yw'r lle wedi'i gadarnhau eto. Byddwn yn anfon e-bost atoch pan gaiff ei gadarnhau.
