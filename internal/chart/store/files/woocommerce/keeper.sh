# Runs once, while the data directory is empty, as part of the image's entrypoint: it makes the user that lets the shop's users in
# and out (rotation.sh). The shop itself cannot become this one.
MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --protocol=socket --user=root <<SQL
CREATE USER keeper@'%' IDENTIFIED BY '$(cat /secrets/credentials/database-keeper-password)';
GRANT CREATE USER, CONNECTION ADMIN ON *.* TO keeper@'%';
GRANT ALL ON wordpress.* TO keeper@'%' WITH GRANT OPTION;
SQL
